"""What the outbound HTTP does with connections that are kept."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.fetch import Fetcher

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def serve_once_a_connection() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers the first request of each connection and drops the connection at the second."""
    requests: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(ANSWER)
            requests.append(connection.recv(65536))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", requests
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_kept_connection_that_died_is_replaced():
    with serve_once_a_connection() as (url, requests):
        fetcher = Fetcher(timeout=5)
        assert [fetcher.get(url).status for _ in range(4)] == [200] * 4
        assert fetcher.post(url, {"token": "t"}, harmless=True).status == 200
        met_dead = [each for each in requests if each.startswith((b"GET", b"POST"))]
        assert len(met_dead) == 4


def test_what_may_change_something_is_not_sent_twice():
    with serve_once_a_connection() as (url, requests):
        fetcher = Fetcher(timeout=5)
        fetcher.get(url)
        with pytest.raises(UnavailableError) as caught:
            fetcher.post(url, {"code": "c"})
        assert caught.value.reason == "unreachable"
        assert [request.split(b" ")[0] for request in requests] == [b"POST"]
