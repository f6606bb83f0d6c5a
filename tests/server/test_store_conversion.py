"""Rows of the SQL store become records and back, for each record class, as its constructor would make them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, fields

import pytest

from pyramid_oauthguard.server.store.records import AccessTokenRecord, Client, ClientSecret
from pyramid_oauthguard.server.store.sqlalchemy.conversion import Conversion
from pyramid_oauthguard.server.store.sqlalchemy.models import access_tokens
from pyramid_oauthguard.server.store.sqlalchemy.queries import audit, clients, codes, consents, devices, keys, tokens
from pyramid_oauthguard.server.store.sqlalchemy.queries import refresh as refresh_tokens

CONVERSIONS = [
    audit._ENTRY,
    clients._CLIENT,
    clients._SECRET,
    codes._CODE,
    consents._CONSENT,
    devices._DEVICE,
    keys._KEY,
    refresh_tokens._TOKEN,
    tokens._GRANT,
    tokens._TOKEN,
]
#: What a column has, and what the field then has, by the type of the field.
VALUES = {
    "str": [("a b", "a b"), ("", ""), ("ÄÖ\u2028", "ÄÖ\u2028")],
    "str | None": [(None, None), ("text", "text")],
    "bytes": [(b"\0\xff", b"\0\xff")],
    "bytes | None": [(None, None), (b"\0\xff", b"\0\xff")],
    "float": [(0.0, 0.0), (1.7e9, 1.7e9)],
    "float | None": [(None, None), (2.5, 2.5)],
    "int": [(7, 7)],
    "bool": [(0, False), (1, True), (True, True)],
    "bool | None": [(None, None), (0, False), (1, True)],
    "tuple[str, ...]": [("", ()), ("one", ("one",)), ("b a c", ("b", "a", "c"))],
}


def name_record(conversion):
    return conversion._class.__name__


def list_stored(conversion):
    """The fields that a row has, in the order of the columns."""
    return [field.name for field in fields(conversion._class) if field.name not in conversion._defaults]


def build_rows(conversion):
    """Rows in which each value of each type comes up, and the records that their constructor makes of them."""
    described = [field for field in fields(conversion._class) if field.name in conversion._setters]
    known = [field for field in described if field.type in VALUES and field.name != "secrets"]
    for number in range(max(map(len, VALUES.values()))):
        pairs = {field.name: VALUES[field.type][number % len(VALUES[field.type])] for field in known}
        values = {name: after for name, (_before, after) in pairs.items() if name in list_stored(conversion)}
        yield [pairs[name][0] for name in list_stored(conversion)], conversion._class(**values)


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=name_record)
def test_a_row_becomes_what_the_constructor_makes(conversion):
    for row, record in build_rows(conversion):
        found = conversion.as_record(row)
        assert found == record
        assert hash(found) == hash(record)
        assert repr(found) == repr(record)
        assert all(type(getattr(found, each.name)) is type(getattr(record, each.name)) for each in fields(record))
        with pytest.raises(FrozenInstanceError):
            setattr(found, fields(found)[0].name, "")


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=name_record)
def test_a_record_becomes_the_row_it_came_from(conversion):
    for row, record in build_rows(conversion):
        stored = dict(zip(list_stored(conversion), row, strict=True))
        assert conversion.as_row(record) == {name: stored[name] for name in conversion.names}


def test_every_column_that_a_look_up_reads_is_one_of_the_record():
    for conversion in CONVERSIONS:
        names = list_stored(conversion)
        own = zip(conversion.columns, names, strict=True)
        assert [column.key for column, name in own if name in conversion.names] == list(conversion.names)
        assert names == [field.name for field in fields(conversion._class) if field.name != "secrets"]


def test_fields_without_a_column_are_given_or_have_their_default():
    row, client = next(build_rows(clients._CLIENT))
    assert clients._CLIENT.as_record(row).secrets == ()
    secrets = (ClientSecret(secret_id="s", hash=bytes(32), label="first", created_at=1.0),)
    assert clients._CLIENT.as_record(row, secrets=secrets).secrets == secrets
    assert isinstance(client, Client)


@pytest.mark.parametrize("change", [lambda row: row[:-1], lambda row: [*row, None]])
def test_a_row_of_another_length_is_an_error(change):
    row, _record = next(build_rows(tokens._TOKEN))
    with pytest.raises((ValueError, IndexError)):
        tokens._TOKEN.as_record(change(row))


def test_a_field_with_neither_a_column_nor_a_default_is_an_error():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Odd(AccessTokenRecord):
        nowhere: str

    with pytest.raises(TypeError, match="Odd has a field with neither a column nor a default"):
        Conversion(Odd, access_tokens)


def build_client_rows(*, name="Tool", ages=(2.0, 1.0)):
    """The rows of a client with one secret for each of these times."""
    given = {"client_id": "tool", "name": name, "role": "client", "created_at": 1.0, "registered_by": "operator"}
    types = {field.name: field.type for field in fields(Client)}
    client = [given.get(each, "" if "tuple" in types[each] else None) for each in list_stored(clients._CLIENT)]
    made = [{"secret_id": f"made at {at}", "hash": b"", "label": "", "created_at": at} for at in ages]
    return tuple((*client, *(secret.get(each) for each in list_stored(clients._SECRET))) for secret in made)


def test_a_client_is_remembered_for_its_rows_only():
    first = clients._recall_client(build_client_rows())
    assert clients._recall_client(build_client_rows()) is first
    assert clients._recall_client(build_client_rows(name="Other")).name == "Other"
    assert len(clients._recall_client(build_client_rows(ages=(1.0,))).secrets) == 1


def test_the_oldest_secret_of_a_client_is_the_first_in_any_order_of_the_rows():
    found = clients._recall_client(build_client_rows(ages=(3.0, 1.0, 2.0)))
    assert [secret.created_at for secret in found.secrets] == [1.0, 2.0, 3.0]
