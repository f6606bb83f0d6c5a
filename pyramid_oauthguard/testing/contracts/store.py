"""What every store of an authorization server must do."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import dataclasses
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from .pages import PagesContract
from .records import LATER as _LATER
from .records import NOW as _NOW
from .records import SIGNED_IN as _SIGNED_IN
from .records import describe_token as _describe_token
from .records import make_access as _make_access
from .records import make_hash as _hash
from .records import make_key as _make_key
from .self_registration import SelfRegistrationContract
from .signing_keys import SigningKeyContract
from .users import UsersContract

if TYPE_CHECKING:
    from ...server.store.contract import Store, Unit

__all__ = ["StoreContract"]

_THREADS: Final = 8
_RACE_SECONDS: Final = 60.0
#: What a request may hold where an identifier is expected.
_ODD: Final = ("", "nobody", "nul\0", "half a pair \ud800", "ключ", "x" * 5000, "' OR 1=1 --", "%", "\n")


class StoreContract(PagesContract, SelfRegistrationContract, SigningKeyContract, UsersContract):
    """The contract of :class:`~pyramid_oauthguard.server.store.contract.Store`, as tests; needs the extra ``server``.

    ::

        class TestMyStore(StoreContract):
            def make_store(self, tmp_path):
                return MyStore(tmp_path / "data")

            def close_store(self, store):
                store.close()
    """

    def make_store(self, tmp_path: Any) -> Store:
        """A new, empty store, of which threads may use one at once."""
        raise NotImplementedError

    def close_store(self, store: Store) -> None:
        """Release what the store keeps open."""

    @pytest.fixture
    def store(self, tmp_path: Any) -> Iterator[Store]:
        """The store under test, with the client ``app`` in it."""
        found = self.make_store(tmp_path)
        with found.writing() as unit:
            assert unit.add_client(_make_client("app"))
        yield found
        self.close_store(found)

    # Units.

    def test_what_one_unit_wrote_the_next_one_reads(self, store: Store) -> None:
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found == _make_client("app")

    def test_a_unit_that_fails_stores_nothing_and_calls_no_callback(self, store: Store) -> None:
        told: list[str] = []

        def fail() -> None:
            with store.writing() as unit:
                unit.add_client(_make_client("other"))
                unit.after_commit(lambda: told.append("committed"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with store.reading() as unit:
            assert unit.find_client("other") is None
        assert told == []

    def test_callbacks_are_called_after_the_commit(self, store: Store) -> None:
        seen: list[Any] = []

        def look() -> None:
            with store.reading() as unit:
                seen.append(unit.find_client("other"))

        with store.writing() as unit:
            unit.add_client(_make_client("other"))
            unit.after_commit(look)
            assert seen == []
        assert seen == [_make_client("other")]

    # Clients.

    @pytest.mark.parametrize("text", _ODD)
    def test_no_text_of_a_request_breaks_a_look_up(self, store: Store, text: str) -> None:
        with store.reading() as unit:
            assert unit.find_client(text) is None

    def test_a_client_comes_back_as_it_was_stored(self, store: Store) -> None:
        client = dataclasses.replace(_make_client("full"), jwks='{"keys": []}', redirect_uris=("https://a/", "b.c:/d"))
        with store.writing() as unit:
            assert unit.add_client(client)
        with store.reading() as unit:
            assert unit.find_client("full") == client
            assert [each.client_id for each in unit.list_clients()] == ["app", "full"]

    def test_an_identifier_is_given_once_for_ever(self, store: Store) -> None:
        with store.writing() as unit:
            unit.revoke_client("app", _NOW)
            assert not unit.add_client(dataclasses.replace(_make_client("app"), name="Thief"))
            assert unit.add_client(_make_client("other")), "and the unit can be used on"
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found is not None
        assert (found.name, found.revoked_at) == ("Name of app", _NOW)

    def test_secrets_are_added_limited_and_revoked(self, store: Store) -> None:
        from ...server.store.records import ClientSecret

        first = ClientSecret(secret_id="1", hash=_hash(), label="first", created_at=_NOW)  # noqa: S106
        second = ClientSecret(secret_id="2", hash=_hash(), label="second", created_at=_NOW + 1, expires_at=_NOW + 5)  # noqa: S106
        with store.writing() as unit:
            unit.add_secret("app", first)
            unit.add_secret("app", second)
            unit.limit_secrets("app", _NOW + 50)
            unit.touch_secret("1", _NOW + 2)
            assert not unit.revoke_secret("app", "3", _NOW)
            assert not unit.revoke_secret("other", "2", _NOW)
            assert unit.revoke_secret("app", "2", _NOW + 3)
            assert not unit.revoke_secret("app", "2", _NOW + 4)
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found is not None
        assert found.secrets == (
            dataclasses.replace(first, expires_at=_NOW + 50, last_used_at=_NOW + 2),
            dataclasses.replace(second, revoked_at=_NOW + 3),
        )

    def test_the_hash_of_an_imported_secret_is_replaced_once(self, store: Store) -> None:
        from ...server.store.records import ClientSecret

        ours = ClientSecret(secret_id="1", hash=_hash(), label="", created_at=_NOW)  # noqa: S106
        imported = ClientSecret(secret_id="2", hash=_hash(), label="", created_at=_NOW + 1, scheme="sha256")  # noqa: S106
        hashed = _hash()
        with store.writing() as unit:
            unit.add_secret("app", ours)
            unit.add_secret("app", imported)
            unit.replace_secret("1", hashed)
            unit.replace_secret("2", hashed)
            unit.replace_secret("2", _hash())
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found is not None
        assert found.secrets == (ours, dataclasses.replace(imported, hash=hashed, scheme=None))

    def test_other_keys_of_a_client(self, store: Store) -> None:
        with store.writing() as unit:
            unit.replace_keys("app", '{"keys": [1]}')
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found is not None
        assert found.jwks == '{"keys": [1]}'

    def test_a_client_is_changed_in_the_named_fields_only(self, store: Store) -> None:
        client = _make_client("app")
        changed = dataclasses.replace(client, name="Other", scopes=("one", "two"), require_pkce=False, owner="Anna")
        with store.writing() as unit:
            unit.update_client(changed, ("scopes", "require_pkce", "owner"))
        with store.reading() as unit:
            assert unit.find_client("app") == dataclasses.replace(changed, name=client.name)

    def test_a_logo_is_found_by_its_name_while_its_client_lives(self, store: Store) -> None:
        from ...server.store.records import Logo

        logo, other = (
            Logo(name=f"{name.decode()}.png", media_type="image/png", data=b"\0\xff" + name) for name in (b"1", b"2")
        )
        with store.writing() as unit:
            unit.set_logo("app", other)
            unit.set_logo("app", logo)
        with store.reading() as unit:
            found = unit.find_client("app")
            assert found is not None
            assert (found.logo, unit.find_logo(logo.name), unit.find_logo(other.name)) == (logo.name, logo, None)
        with store.writing() as unit:
            unit.revoke_client("app", _NOW)
        with store.reading() as unit:
            assert unit.find_logo(logo.name) is None
        with store.writing() as unit:
            unit.set_logo("app", None)
        with store.reading() as unit:
            found = unit.find_client("app")
        assert found is not None
        assert found.logo is None

    def test_redirect_uris_of_public_clients_alone(self, store: Store) -> None:
        with store.writing() as unit:
            for name, public in (("one", True), ("two", True), ("secret", False)):
                client = dataclasses.replace(_make_client(name), public=public, redirect_uris=(f"https://{name}/",))
                unit.add_client(client)
            unit.revoke_client("two", _NOW)
        with store.reading() as unit:
            assert unit.list_public_redirect_uris() == ("https://one/",)

    # Tokens.

    def test_tokens_come_back_as_they_were_stored(self, store: Store) -> None:
        access, refresh = _make_access("g"), _make_refresh("g")
        with store.writing() as unit:
            unit.add_grant(_make_grant("g"))
            unit.add_access_token(access)
            unit.add_refresh_token(refresh)
        with store.reading() as unit:
            assert unit.find_grant("g") == _make_grant("g")
            assert unit.find_access_token(access.hash) == access
            assert unit.find_refresh_token(refresh.hash) == refresh
            assert unit.find_access_token(refresh.hash) is None
            assert unit.find_refresh_token(access.hash) is None
            assert unit.find_grant("other") is None
            assert unit.is_subject("anna")
            assert not unit.is_subject("bert")

    def test_a_token_of_no_user_has_no_grant(self, store: Store) -> None:
        token = dataclasses.replace(_make_access(None), subject="app")
        with store.writing() as unit:
            unit.add_access_token(token)
        with store.reading() as unit:
            assert unit.find_access_token(token.hash) == token

    @pytest.mark.parametrize("how", ["token", "grant", "client", "key"])
    def test_a_look_up_reports_a_token_as_revoked_however_it_ended(self, store: Store, how: str) -> None:
        key = _make_key(1)
        access = dataclasses.replace(_make_access("g"), key_id=key.kid)
        refresh = _make_refresh("g")
        with store.writing() as unit:
            unit.add_key(key)
            unit.add_grant(_make_grant("g"))
            unit.add_access_token(access)
            unit.add_refresh_token(refresh)
        with store.writing() as unit:
            if how == "token":
                assert unit.revoke_access_token(access.token_id, _NOW)
                assert not unit.revoke_access_token(access.token_id, _NOW)
            elif how == "grant":
                assert unit.revoke_grant("g", _NOW)
                assert not unit.revoke_grant("g", _NOW)
            elif how == "client":
                unit.revoke_client("app", _NOW)
            else:
                unit.update_key(dataclasses.replace(key, revoked_at=_NOW))
        with store.reading() as unit:
            found = unit.find_access_token(access.hash)
            rest = unit.find_refresh_token(refresh.hash)
        assert found is not None
        assert rest is not None
        assert found.revoked
        assert rest.revoked == (how in {"grant", "client"})

    def test_live_tokens_are_listed_by_grant_and_by_client(self, store: Store) -> None:
        live, dead = _make_access("g"), dataclasses.replace(_make_access("g"), expires_at=_NOW)
        gone, other = _make_access("g"), _make_access(None)
        with store.writing() as unit:
            unit.add_grant(_make_grant("g"))
            for token in (live, dead, gone, other):
                unit.add_access_token(token)
            unit.revoke_access_token(gone.token_id, _NOW)
        with store.reading() as unit:
            assert unit.list_live_token_ids(grant_id="g", now=_NOW) == (live.token_id,)
            assert set(unit.list_live_token_ids(client_id="app", now=_NOW)) == {live.token_id, other.token_id}

    # Only one of several concurrent units succeeds.

    def test_of_many_units_one_takes_a_code(self, store: Store) -> None:
        code = _make_code("g")
        with store.writing() as unit:
            unit.add_grant(_make_grant("g"))
            unit.add_code(code)
        assert _race(store, lambda unit, _number: unit.use_code(code.hash, _NOW)) == 1
        with store.reading() as unit:
            assert unit.find_code(code.hash) == dataclasses.replace(code, used_at=_NOW)
            assert unit.find_code(_hash()) is None

    def test_of_many_units_one_replaces_a_refresh_token(self, store: Store) -> None:
        token = _make_refresh("g")
        with store.writing() as unit:
            unit.add_grant(_make_grant("g"))
            unit.add_refresh_token(token)
        assert _race(store, lambda unit, number: unit.use_refresh_token(token.hash, str(number), _NOW)) == 1
        with store.reading() as unit:
            found = unit.find_refresh_token(token.hash)
        assert found is not None
        assert found.successor_id is not None
        assert found.used_at is None or _NOW <= found.used_at < _NOW + _RACE_SECONDS

    def test_of_many_units_one_decides_and_one_uses_a_device(self, store: Store) -> None:
        device = _make_device()
        with store.writing() as unit:
            unit.add_grant(_make_grant("g"))
            assert unit.add_device(device)
            assert not unit.add_device(dataclasses.replace(device, device_hash=_hash())), "its user code is taken"
            assert not unit.use_device(device.device_hash, _NOW), "no user has approved it"
        assert _race(store, lambda unit, _: unit.decide_device(device.user_hash, "approved", "g", _NOW)) == 1
        assert _race(store, lambda unit, _: unit.use_device(device.device_hash, _NOW)) == 1
        with store.reading() as unit:
            found = unit.find_device_of_user(device.user_hash)
            assert found == unit.find_device(device.device_hash)
        assert found is not None
        assert (found.status, found.grant_id, found.used_at) == ("approved", "g", _NOW)

    def test_of_many_units_one_makes_the_key_of_a_number(self, store: Store) -> None:
        assert _race(store, lambda unit, _number: unit.add_key(_make_key(1))) == 1

    def test_of_many_units_one_registers_an_identifier(self, store: Store) -> None:
        assert _race(store, lambda unit, _number: unit.add_client(_make_client("new"))) == 1

    def test_of_many_units_one_takes_an_assertion(self, store: Store) -> None:
        hashed = _hash()
        assert _race(store, lambda unit, _number: unit.add_assertion(hashed, _LATER)) == 1

    def test_every_wrong_code_counts(self, store: Store) -> None:
        _race(store, lambda unit, _number: unit.count_device_try("anna", _NOW - 60, _NOW) > 0)
        with store.writing() as unit:
            assert unit.count_device_try("anna", _NOW - 60, _NOW) == _THREADS + 1
            unit.forget_device_try("anna")
            assert unit.count_device_try("anna", _NOW - 60, _NOW) == _THREADS + 1
            assert unit.count_device_try("anna", _NOW + 1, _NOW + 2) == 1, "the count began again"

    # Consent.

    def test_consents_are_kept_and_withdrawn(self, store: Store) -> None:
        from ...server.store.records import Consent

        consent = Consent(
            consent_id="c",
            client_id="app",
            subject="anna",
            scopes=("a",),
            audiences=("https://api.example", "urn:b"),
            wording=json.dumps({"a": "Ä"}),
            allowed_at=_NOW,
        )
        with store.writing() as unit:
            unit.add_consent(consent)
            assert unit.is_subject("anna")
            unit.add_grant(_make_grant("g"))
        with store.reading() as unit:
            assert unit.list_consents("anna") == (consent,)
            assert unit.list_consents("anna", client_id="other") == ()
            assert unit.list_live_grant_ids("anna", "app") == ("g",)
        with store.writing() as unit:
            assert unit.withdraw_consents("anna", "app", _NOW)
            assert not unit.withdraw_consents("anna", "app", _NOW)
            unit.revoke_grant("g", _NOW)
        with store.reading() as unit:
            assert unit.list_consents("anna") == ()
            assert unit.list_live_grant_ids("anna", "app") == ()
            assert unit.is_subject("anna")

    # Keys, the audit trail, upkeep.

    def test_keys_and_their_times(self, store: Store) -> None:
        first, second = _make_key(1), _make_key(2)
        retired = dataclasses.replace(first, retired_at=_NOW, expires_at=_LATER, active_from=_NOW - 1)
        token = dataclasses.replace(_make_access(None), key_id=first.kid)
        with store.writing() as unit:
            unit.add_key(second)
            unit.add_key(first)
            unit.update_key(retired)
            unit.add_access_token(token)
        with store.reading() as unit:
            assert unit.list_keys() == (retired, second)
            assert unit.find_last_expiry(first.kid) == token.expires_at
            assert unit.find_last_expiry(second.kid) is None

    def test_the_audit_trail_is_read_newest_first(self, store: Store) -> None:
        from ...server.store.records import AuditEntry

        entries = [
            AuditEntry(at=_NOW + number, event=event, client_id=client_id, subject="anna", detail="{}")
            for number, (event, client_id) in enumerate([("A", "app"), ("B", "app"), ("A", "other")])
        ]
        with store.writing() as unit:
            for entry in entries:
                unit.add_audit(entry)
        with store.reading() as unit:
            assert unit.list_audit(limit=2) == (entries[2], entries[1])
            assert unit.list_audit(limit=9, event="A") == (entries[2], entries[0])
            assert unit.list_audit(limit=9, client_id="app", since=_NOW + 1) == (entries[1],)
            assert unit.list_audit(limit=9, subject="bert") == ()

    def test_pruning_takes_what_expired_and_grants_with_nothing_left(self, store: Store) -> None:
        live = dataclasses.replace(_make_access("old"), expires_at=_NOW + 900)
        with store.writing() as unit:
            for grant_id in ("old", "empty"):
                unit.add_grant(_make_grant(grant_id))
            unit.add_grant(dataclasses.replace(_make_grant("young"), created_at=_NOW + 800))
            for token in (live, _make_access("old"), _make_access("empty"), _make_access(None)):
                unit.add_access_token(token)
            unit.add_refresh_token(_make_refresh("empty"))
            unit.add_code(_make_code("empty"))
            unit.add_device(_make_device())
            unit.add_assertion(_hash(), _LATER)
        with store.writing() as unit:
            assert unit.prune(_NOW, 100) == 0
            assert unit.prune(_NOW + 700, 1) > 0
            while unit.prune(_NOW + 700, 2):
                pass
        with store.reading() as unit:
            assert unit.find_access_token(live.hash) == live
            assert unit.find_grant("old") is not None
            assert unit.find_grant("young") is not None
            assert unit.find_grant("empty") is None
            assert unit.find_client("app") is not None


def _race(store: Store, act: Callable[[Unit, int], bool]) -> int:
    """The number of threads that got True, each in its own unit."""
    barrier = threading.Barrier(_THREADS)

    def begin(number: int) -> bool:
        barrier.wait(30)
        with store.writing() as unit:
            return act(unit, number)

    with ThreadPoolExecutor(_THREADS) as threads:
        return sum(threads.map(begin, range(_THREADS)))


def _make_client(client_id: str) -> Any:
    from ...server.store.records import Client

    return Client(
        client_id=client_id,
        name=f"Name of {client_id}",
        role="client",
        public=False,
        redirect_uris=(),
        grants=("client_credentials",),
        scopes=("a", "b"),
        audiences=("https://api.test",),
        created_at=_NOW if client_id == "app" else _NOW + 1,
    )


def _make_grant(grant_id: str) -> Any:
    from ...server.store.records import Grant

    return Grant(
        grant_id=grant_id,
        client_id="app",
        subject="anna",
        scopes=("a",),
        audiences=("https://api.test",),
        created_at=_NOW,
        **_SIGNED_IN,
    )


def _make_refresh(grant_id: str) -> Any:
    from ...server.store.records import RefreshTokenRecord

    return RefreshTokenRecord(token_id=secrets.token_hex(8), grant_id=grant_id, **_describe_token())


def _make_code(grant_id: str) -> Any:
    from ...server.store.records import CodeRecord

    return CodeRecord(
        hash=_hash(),
        grant_id=grant_id,
        client_id="app",
        redirect_uri=None,
        code_challenge="c" * 43,
        created_at=_NOW,
        expires_at=_LATER,
    )


def _make_device() -> Any:
    from ...server.store.records import DeviceRecord

    return DeviceRecord(
        device_hash=_hash(),
        user_hash=_hash(),
        client_id="app",
        scopes=("a",),
        audiences=(),
        interval=5.0,
        created_at=_NOW,
        expires_at=_LATER,
    )
