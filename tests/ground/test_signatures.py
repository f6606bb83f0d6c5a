"""The prepared check of a signature says what joserfc's own says, also of signatures that nobody makes."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jws import JWSRegistry

from pyramid_oauthguard.jwt.algorithms import ALGORITHMS
from pyramid_oauthguard.jwt.verify import bind, is_signed
from pyramid_oauthguard.testing import generate_key

MESSAGE = b"eyJhbGciOiJub25lIn0.e30"
#: The orders of the three curves (FIPS 186-5, SP 800-186).
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": int("1ff" + "f" * 63 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}


@cache  # made at first use: RSA keys take long, and each process of pytest-xdist imports this module
def make_key(algorithm: str) -> Any:
    return generate_key(algorithm).native


def check_with_joserfc(algorithm: str, signature: bytes, message: bytes) -> bool:
    model: Any = JWSRegistry.algorithms[algorithm]
    try:
        return bool(model.verify(message, signature, make_key(algorithm)))
    except ValueError:
        return False


def check(algorithm: str, signature: bytes, message: bytes) -> bool:
    return is_signed(message, signature, (bind(algorithm, make_key(algorithm)),))


def sign(algorithm: str) -> bytes:
    model: Any = JWSRegistry.algorithms[algorithm]
    signature: bytes = model.sign(MESSAGE, make_key(algorithm))
    return signature


def garble(signature: bytes) -> list[bytes]:
    half = len(signature) // 2
    zeros = bytes(half)
    return [
        b"", b"\0", signature[:-1], signature + b"\0", b"\0" + signature, signature * 2, signature[half:] + signature[:half],
        zeros + zeros, zeros + signature[half:], signature[:half] + zeros, b"\xff" * len(signature),
        signature[:half] + b"\xff" * half, bytes([signature[0] ^ 1]) + signature[1:], signature[:-1] + bytes([signature[-1] ^ 1]),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_signature_is_good_for_its_message_alone(algorithm: str) -> None:
    signature = sign(algorithm)
    for message in (MESSAGE, b"", MESSAGE + b"x"):
        found = check(algorithm, signature, message)
        assert found == check_with_joserfc(algorithm, signature, message) == (message == MESSAGE)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_odd_signature_is_judged_as_joserfc_judges_it(algorithm: str) -> None:
    for each in garble(sign(algorithm)):
        assert check(algorithm, each, MESSAGE) == check_with_joserfc(algorithm, each, MESSAGE), each


@pytest.mark.parametrize("algorithm", ORDERS)
def test_numbers_outside_of_the_curves_order_are_judged_as_joserfc_judges_them(algorithm: str) -> None:
    signature, order = sign(algorithm), ORDERS[algorithm]
    size = len(signature) // 2
    r, s = (int.from_bytes(each, "big") for each in (signature[:size], signature[size:]))
    for numbers in [
        (r, order - s),
        (r, s + order),
        (r + order, s),
        (order, s),
        (r, order),
        (1, 1),
        (order - 1, order - 1),
    ]:
        if max(numbers) < 256**size:
            each = b"".join(number.to_bytes(size, "big") for number in numbers)
            assert check(algorithm, each, MESSAGE) == check_with_joserfc(algorithm, each, MESSAGE), numbers
    # The other of the two signatures that fit: ECDSA has both.
    assert check(algorithm, r.to_bytes(size, "big") + (order - s).to_bytes(size, "big"), MESSAGE)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES512", "Ed25519"])
@given(data=st.data())
def test_any_bytes_are_judged_as_joserfc_judges_them(algorithm: str, data: st.DataObject) -> None:
    size = len(sign(algorithm))
    signature = data.draw(st.binary(max_size=size + 2) | st.binary(min_size=size, max_size=size))
    assert check(algorithm, signature, MESSAGE) == check_with_joserfc(algorithm, signature, MESSAGE)
