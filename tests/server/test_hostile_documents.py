"""SSRF: no URL that a client sends as its client_id makes the server connect to an address that is not public."""

from __future__ import annotations

import socket
import time

import pytest

from pyramid_oauthguard.fetch.pinned import PinnedFetchError, Text
from pyramid_oauthguard.server.clients.documents import source
from pyramid_oauthguard.server.clients.documents.turns import MAX_IN_ALL, BusyError, Turns
from tests.server.flows import build_flow
from tests.server.self_registered import OPEN, ask, describe

pytestmark = pytest.mark.slow

ON = {**OPEN, "registration": "off", "client_metadata_documents": "on", "issuer": "https://id.example"}
#: Names that resolve, and what to. Each look-up of a name with two lists gives the next one.
NAMES = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "compatible.example": ["::127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "local-nat64.example": ["64:ff9b:1::a00:1"],
    "sixtofour.example": ["2002:7f00:1::1"],
    "teredo.example": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "isatap.example": ["2606:4700::5efe:a00:1"],
    "unique.example": ["fd00:ec2::254"],
    "linklocal.example": ["169.254.169.254"],
    "linklocal6.example": ["fe80::1%1"],
    "private10.example": ["10.0.0.1"],
    "private172.example": ["172.16.0.1"],
    "private192.example": ["192.168.0.1"],
    "shared.example": ["100.100.100.200"],
    "azure.example": ["168.63.129.16"],
    "zero.example": ["0.0.0.0"],  # noqa: S104
    "multicast.example": ["224.0.0.1"],
    "broadcast.example": ["255.255.255.255"],
    "documentation.example": ["192.0.2.1"],
    "mixed.example": ["1.1.1.1", "127.0.0.1"],
    "mixed6.example": ["2606:4700::1111", "::1"],
    "many.example": ["1.1.1.1"] * 17,
    "tool.example": ["1.1.1.1"],
}
HOSTILE = [
    *(f"https://{name}/client.json" for name in NAMES if name != "tool.example"),
    "https://127.0.0.1/client.json",
    "https://127.1/client.json",
    "https://2130706433/client.json",
    "https://0x7f000001/client.json",
    "https://0177.0.0.1/client.json",
    "https://[::1]/client.json",
    "https://[::ffff:127.0.0.1]/client.json",
    "https://localhost/client.json",
    "https://localhost./client.json",
    "https://tool.example./client.json",
    "https://tool.example:22/client.json",
    "https://tool.example:443/client.json",
    "https://tool.example@127.0.0.1/client.json",
    "https://127.0.0.1#@tool.example/client.json",
    "https://tool.example/../client.json",
    "https://tool.example/clients/..;/client.json",
    "https://tool.example/clients/.;x/client.json",
    "https://tool.example/%2e%2e/client.json",
    "https://tool.example/client.json?url=http://127.0.0.1",
    "http://tool.example/client.json",
    "file:///etc/passwd",
    "gopher://tool.example:70/x",
    "https://id.example/client.json",
    "https://metadata.google.internal/computeMetadata",
    "https://unknown.example/client.json",
    "https:///client.json",
    "://",
]


@pytest.fixture
def flow(build, monkeypatch):
    flow = build_flow(build, ON)

    def look_up(host, _port):
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return NAMES[host]

    flow.server.service.documents.fetcher.resolver.look_up = look_up
    monkeypatch.setattr(socket.socket, "connect", lambda _socket, address: pytest.fail(f"connected to {address}"))
    return flow


@pytest.mark.promise("AS-12")
def test_forty_hostile_urls_have_one_answer_and_no_connection(flow, caplog):
    assert len(HOSTILE) >= 40
    texts = set()
    for url in HOSTILE:
        page = ask(flow, describe(url, "https://tool.example/callback"))
        assert page.status_int == 400, url
        texts.add(page.text)
    assert len(texts) == 1
    assert len([each for each in caplog.messages if "can't be used" in each]) == len(HOSTILE)


@pytest.mark.promise("AS-12")
def test_a_name_whose_address_changes_is_looked_up_once(flow, monkeypatch):
    """DNS rebinding: the second answer would be a private address."""
    answers = iter([["1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]])
    flow.server.service.documents.fetcher.resolver.look_up = lambda _host, _port: next(answers)
    connected = []

    def connect(_socket, address):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert ask(flow, describe("https://tool.example/client.json", "https://tool.example/x")).status_int == 400
    assert connected == [("1.1.1.1", 443)]


@pytest.mark.promise("AS-12")
def test_the_keys_are_fetched_by_the_same_rules(flow):
    documents = flow.server.service.documents
    asked = []

    def get(url, _deadline):
        asked.append(url)
        return answers.pop(0)

    documents.fetcher.get = get
    for uri in (
        "https://127.0.0.1/keys",
        "http://tool.example/keys",
        "https://tool.example:8443/k",
        "https://id.example/k",
        "x",
    ):
        url = f"https://tool.example/{len(asked)}.json"
        answers = [
            Text(
                b'{"client_id": "%s", "redirect_uris": ["https://tool.example/x"], "jwks_uri": "%s", '
                b'"token_endpoint_auth_method": "private_key_jwt"}' % (url.encode(), uri.encode()),
                {"Content-Type": "application/json"},
            )
        ]
        assert ask(flow, describe(url, "https://tool.example/x")).status_int == 400
        assert asked[-1] == url, "and nothing of the keys"


def load_in_vain(documents, number):
    """Read a document on a host of its own, for a user of its own."""
    with pytest.raises(source.InvalidClientMetadataError):
        documents.load(f"https://tool{number}.example/client.json", user=f"user{number}")


def serve_with_keys(documents, uri, fetch_keys):
    asked = []

    def get(url, _deadline):
        asked.append(url)
        if url == uri:
            return fetch_keys()
        body = b'{"client_id": "%s", "redirect_uris": ["com.example:/x"], "jwks_uri": "%s", "token_endpoint_auth_method": "private_key_jwt"}'
        return Text(body % (url.encode(), uri.encode()), {"Content-Type": "application/json"})

    documents.fetcher.get = get
    return asked


@pytest.mark.promise("AS-12")
def test_many_documents_could_have_one_host_of_keys_asked_without_a_limit(build):
    """Neither the limit of a host nor its pause after a failure counted for the host of the keys."""
    documents = build_flow(build, {**ON, "limits": "on", "limits.documents": "1/1h"}).server.service.documents
    victim = "https://victim.example/keys"
    asked = serve_with_keys(documents, victim, lambda: Text(b"{}", {"Content-Type": "application/json"}))
    for number in range(15):
        load_in_vain(documents, number)
    assert (len(asked), asked.count(victim)) == (25, 10)


@pytest.mark.promise("AS-12")
def test_a_host_of_keys_that_failed_is_left_alone(build, caplog):
    documents = build_flow(build, ON).server.service.documents
    victim = "https://victim.example/keys"

    def fail():
        raise PinnedFetchError("x", is_outage=True)

    asked = serve_with_keys(documents, victim, fail)
    for number in range(2):
        load_in_vain(documents, number)
    assert asked.count(victim) == 1
    assert "victim.example failed a moment ago" in caplog.messages[-1]
    assert not documents._turns._counts


def test_a_flood_of_urls_takes_no_memory(flow):
    documents = flow.server.service.documents
    now = time.time()

    def get(url, _deadline):
        if "bad" in url:
            raise PinnedFetchError("x", is_outage="host" in url)
        body = b'{"client_id": "%s", "redirect_uris": ["https://tool.example/x"]}' % url.encode()
        return Text(body, {"Content-Type": "application/json"})

    documents.fetcher.get = get
    for number in range(1200):
        documents.load(f"https://tool.example/{number}", user=f"user{number}")
        for url in (f"https://tool.example/bad{number}", f"https://host{number}.example/bad"):
            with pytest.raises(source.InvalidClientMetadataError):
                documents.load(url, user="anna")
    assert len(documents._kept) == 1000
    assert len(documents._pauses._ends) <= 1000
    assert not documents._turns._counts
    assert not documents._turns._reading
    assert time.time() - now < 600


# Turns.


def test_one_user_and_one_host_may_hold_two_threads_and_all_four():
    turns, deadline = Turns(), time.monotonic() + 5
    with (
        turns.wait("1", user="anna", host="a", deadline=deadline),
        turns.wait("2", user="anna", host="b", deadline=deadline),
    ):
        with pytest.raises(BusyError), turns.wait("3", user="anna", host="c", deadline=deadline):
            pass
        with turns.wait("4", user="bert", host="a", deadline=deadline):
            with pytest.raises(BusyError), turns.wait("5", user="carl", host="a", deadline=deadline):
                pass
            with turns.wait("6", user="carl", host="d", deadline=deadline):
                assert sum(turns._counts[each] for each in turns._counts if each[0] == "all") == MAX_IN_ALL
                with pytest.raises(BusyError), turns.wait("7", user="dora", host="e", deadline=deadline):
                    pass
    assert not turns._counts


def test_a_thread_that_waits_for_the_same_document_gives_up_in_time():
    turns = Turns()
    now = time.monotonic()
    with turns.wait("1", user="anna", host="a", deadline=now + 5), pytest.raises(BusyError):  # noqa: SIM117
        with turns.wait("1", user="bert", host="a", deadline=now + 0.05):
            pass
    with turns.wait("1", user="bert", host="a", deadline=time.monotonic()):
        pass
    assert not turns._counts
