"""The one place that forks are prepared and survived in."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard import UnavailableError, processes
from pyramid_oauthguard.fetch import Fetcher
from tests.certificates import write_certificate
from tests.forking import HOW, needs_fork, run_in_child
from tests.issuers import HTTPIssuer

pytestmark = [needs_fork, pytest.mark.promise("GD-29")]


class Thing:
    """Something of the parent."""


@pytest.fixture
def entries() -> Iterator[dict[int, Any]]:
    before = set(processes._entries)
    yield processes._entries
    for key in set(processes._entries) - before:
        del processes._entries[key]


@pytest.mark.parametrize("how", HOW)
def test_children_renew_in_the_order_of_registration_and_parents_prepare_in_the_opposite_one(
    entries: Any, how: str
) -> None:
    said: list[str] = []
    things = [Thing(), Thing()]
    for name, thing in zip("ab", things, strict=True):
        processes.register(
            thing,
            lambda _thing, name=name: said.append(f"renew {name}"),  # type: ignore[misc]
            before=lambda _thing, name=name: said.append(f"before {name}"),  # type: ignore[misc]
            after=lambda _thing, name=name: said.append(f"after {name}"),  # type: ignore[misc]
        )
    assert run_in_child(lambda: said, how) == ["before b", "before a", "renew a", "renew b"]
    assert said == ["before b", "before a", "after a", "after b"]


def test_what_is_registered_again_is_renewed_once(entries: Any) -> None:
    said: list[str] = []
    thing = Thing()
    processes.register(thing, lambda _thing: said.append("first"))
    processes.register(thing, lambda _thing: said.append("second"))
    assert run_in_child(lambda: said) == ["second"]


@pytest.mark.slow
def test_an_owner_that_is_gone_leaves_nothing_behind(entries: Any) -> None:
    things = [Thing() for _ in range(100)]
    for thing in things:
        thing.itself = thing  # type: ignore[attr-defined]
        processes.register(thing, print, before=print)
    assert count_things(entries) == 100
    del thing, things
    gc.collect()
    assert count_things(entries) == 0


def count_things(entries: Any) -> int:
    return sum(type(entry.owner()) is Thing for entry in list(entries.values()))


@pytest.mark.slow
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_keeps_nothing_else_from_being_renewed(entries: Any, error: BaseException, caplog: Any) -> None:
    said: list[str] = []

    def fail(_thing: Thing) -> None:
        raise error

    first, second = Thing(), Thing()
    processes.register(first, fail, before=fail, after=fail)
    processes.register(second, lambda _thing: said.append("renewed"))
    assert run_in_child(lambda: said) == ["renewed"]
    assert [record.getMessage() for record in caplog.records] == [
        f"Thing is not prepared for a fork: {type(error).__name__}"
    ] * 2, "before and after, in the parent"


# ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def connect() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]


def test_a_socket_that_is_cut_leads_nowhere_in_the_child_and_is_whole_in_the_parent() -> None:
    ours, theirs = connect()
    with ours, theirs:

        def use() -> list[Any]:
            processes.cut(ours)
            sent = ""
            try:
                ours.sendall(b"from the child")
            except OSError as error:
                sent = type(error).__name__
            received = ours.recv(1)
            ours.shutdown(socket.SHUT_RDWR) if not sent else None
            ours.close()
            return [sent, received.decode()]

        assert run_in_child(use) == ["BrokenPipeError", ""]
        ours.sendall(b"from the parent")
        assert theirs.recv(100) == b"from the parent"
        theirs.sendall(b"and back")
        assert ours.recv(100) == b"and back"


def test_what_is_closed_can_be_cut() -> None:
    ours, theirs = connect()
    ours.close()
    theirs.close()
    processes.cut(ours)

    class Closed:
        def fileno(self) -> int:
            raise RuntimeError("the connection is closed")

    processes.cut(Closed())


@contextmanager
def speak_tls(pem: Path) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(pem))
    server.load_cert_chain(pem)
    ours, theirs = connect()
    wrapped: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="127.0.0.1") as secured:
        thread.join()
        with wrapped[0] as other:
            yield secured, other


def test_a_child_says_no_farewell_in_the_tls_session_of_its_parent(tmp_path: Path) -> None:
    with speak_tls(write_certificate(tmp_path)) as (ours, theirs):

        def end() -> str:
            processes.cut(ours)
            try:
                ours.unwrap()  # sends close_notify
            except OSError as error:
                return type(error).__name__
            return ""

        assert run_in_child(end)
        ours.sendall(b"still here")
        assert theirs.recv(100) == b"still here"
        theirs.sendall(b"so am I")
        assert ours.recv(100) == b"so am I"


def list_descriptors() -> list[int]:
    return [int(each.name) for each in Path("/proc/self/fd").iterdir()]


@pytest.mark.slow
def test_a_socket_of_a_fetcher_is_cut_though_an_exchange_is_under_way() -> None:
    with HTTPIssuer(algorithm="ES256") as issuer:
        issuer.fail("hang", "introspection")
        fetcher = Fetcher(timeout=5)

        def post() -> None:
            with pytest.raises(UnavailableError):
                fetcher.post(f"{issuer.origin}/introspect", {})

        thread = threading.Thread(target=post)
        thread.start()
        while not issuer.calls["introspection"]:
            pass

        def count_peers() -> int:
            port = int(issuer.origin.rpartition(":")[2])
            return sum(is_connected(number, port) for number in list_descriptors())

        def is_connected(number: int, port: int) -> bool:
            try:
                if not stat.S_ISSOCK(os.fstat(number).st_mode):
                    return False
                with socket.socket(fileno=os.dup(number)) as sock:
                    return sock.getpeername()[1] == port
            except (OSError, IndexError):
                return False

        assert count_peers() == 1
        assert run_in_child(count_peers) == 0
        issuer.close()
        thread.join()


# ── the end of a child, and forks that Python is not told of ─────────────────────────────────────────────────────


def run(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


ENDING = """
import os, sys
from pyramid_oauthguard import UnavailableError, processes

class Loud:
    def __del__(self):
        os.write(1, f"{os.getpid() == parent} ".encode())

parent = os.getpid()
loud = Loud()
processes.register(loud, processes.abandon)
child = os.fork()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
del loud
sys.exit(0)
"""


@pytest.mark.slow
def test_no_finalizer_of_what_is_abandoned_runs_at_the_end_of_a_child() -> None:
    assert run(ENDING) == "True "


UNNOTICED = """
import ctypes, os, sys, threading
from pyramid_oauthguard import UnavailableError, processes

class Thing: pass

said = []
thing = Thing()
processes.register(thing, lambda thing: said.append("renewed"))
processes.renew_if_forked()
assert not said
child = ctypes.PyDLL(None).fork()  # as a server in C does, which tells Python nothing
if child == 0:
    try:
        threads = [threading.Thread(target=processes.renew_if_forked) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert said == ["renewed"], said
    except BaseException:
        os._exit(1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert not said
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks fork up in the C library")
def test_a_fork_that_python_is_not_told_of_is_noticed_at_the_next_use() -> None:
    assert ctypes.PyDLL(None).fork
    run(UNNOTICED)


# ── nothing is left out ──────────────────────────────────────────────────────────────────────────────────────────

#: What a child of a fork can't use as its parent left it.
INHERITED = re.compile(
    r"threading\.(?:R?Lock|Condition|Semaphore|BoundedSemaphore|Event|Barrier|Thread|local)\("
    r"|PoolManager\(|create_engine\(|make_region\(|ThreadPoolExecutor\(|cached_property|socket\.socket\("
)
KEPT = re.compile(r"processes\.register\(|keep_in_process\(")
#: Modules that need not register, and why.
ELSEWHERE = {
    "pyramid_oauthguard/processes.py": "it is where the others register",
    "pyramid_oauthguard/shared_cache.py": "caching.py makes another backend",
    "pyramid_oauthguard/issuers/kept.py": "renewed.py, its base class, registers",
    "pyramid_oauthguard/server/store/sqlalchemy/engine.py": "the store keeps the engine in its process",
    "pyramid_oauthguard/server/store/sqlalchemy/prepared.py": "a comment says why it has none",
    "pyramid_oauthguard/client/login/ending.py": "loopback.py closes its server in a child, so that no request reads it there",
    "pyramid_oauthguard/command/client/sign_in.py": "the thread that reads a pasted address ends with the command",
    "pyramid_oauthguard/command/request.py": "a pool for one request",
    "pyramid_oauthguard/command/guard/deadline.py": "the end of a command is for the process that was started",
    "pyramid_oauthguard/telemetry/trace_context.py": "a header that the thread which forks may go on to send",
    "pyramid_oauthguard/testing/contracts/store.py": "threads of one test",
    "pyramid_oauthguard/testing/contracts/verifier.py": "threads of one test",
}


def test_each_module_with_a_lock_a_pool_or_a_thread_says_what_becomes_of_it_after_a_fork() -> None:
    root = Path(__file__).parents[2]
    modules = [path for name in ("pyramid_oauthguard", "example_app") for path in (root / name).rglob("*.py")]
    having = {str(path.relative_to(root)): path.read_text("utf-8") for path in modules}
    found = {name for name, text in having.items() if INHERITED.search(text) and not KEPT.search(text)}
    assert found == set(ELSEWHERE)
