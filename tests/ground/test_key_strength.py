"""Keys that any caller could sign for, or that cost too much, are refused by their numbers."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from pyramid_oauthguard.jwt.key_strength import check_strength

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
P448 = 2**448 - 2**224 - 1


def double(point):
    """On the curve of Ed25519, in affine coordinates (RFC 8032 section 5.1.4 in another form)."""
    x, y = point
    t = D * x * x * y * y
    return 2 * x * y * pow(1 + t, -1, P) % P, (y * y + x * x) * pow(1 - t, -1, P) % P


def find_torsion():
    """The eight points whose order divides 8, from the equation of the curve alone."""
    i = pow(2, (P - 1) // 4, P)
    points = {(0, 1), (0, P - 1), (i, 0), (P - i, 0)}
    # Twice a point of order 8 has y = 0, so x² = -y², and the equation of the curve is d·y⁴ + 2·y² - 1 = 0.
    root = pow(1 + D, (P + 3) // 8, P)
    root = root if root * root % P == (1 + D) % P else root * i % P
    for sign in (1, -1):
        square = (-1 + sign * root) * pow(D, -1, P) % P
        y = pow(square, (P + 3) // 8, P)
        y = y if y * y % P == square else y * i % P
        if y * y % P == square:
            x = y * i % P
            points |= {(a, b) for a in (x, P - x) for b in (y, P - y)}
    return points


def encode(y, sign):
    return (y | sign << 255).to_bytes(32, "little")


TORSION = find_torsion()
#: Each encoding of each of the points: with the number below the prime, and with the prime added where it fits.
ENCODINGS = sorted({encode(y, sign) for _x, each in TORSION for y in (each, each + P) if y < 2**255 for sign in (0, 1)})


def test_there_are_eight_points_and_fourteen_encodings():
    """RFC 8032 allows eight of them; the others are the sign of a zero, and numbers of at least the prime."""
    assert len(TORSION) == 8
    for point in TORSION:
        assert (point[1] ** 2 - point[0] ** 2 - 1 - D * point[0] ** 2 * point[1] ** 2) % P == 0
        assert double(double(double(point))) == (0, 1)
    assert len(ENCODINGS) == 14


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("raw", ENCODINGS, ids=bytes.hex)
def test_an_ed25519_key_of_small_order_is_refused(raw):
    with pytest.raises(ValueError, match=r"small order|canonical"):
        check_strength(Ed25519PublicKey.from_public_bytes(raw))


def test_what_such_a_key_is_good_for():
    """A signature that nobody made verifies: this is what is refused."""
    key = Ed25519PublicKey.from_public_bytes(encode(1, 0))
    key.verify(encode(1, 0) + bytes(32), b"any message")
    with pytest.raises(ValueError, match="any caller could sign"):
        check_strength(key)


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("y", [P, P + 1, P + 2, P + 18])
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed25519_key_in_another_than_its_canonical_encoding_is_refused(y, sign):
    with pytest.raises(ValueError, match="canonical"):
        check_strength(Ed25519PublicKey.from_public_bytes(encode(y, sign)))


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("y", [0, 1, P448 - 1, P448, P448 + 1, 2**448 - 1])
@pytest.mark.parametrize("sign", [b"\x00", b"\x80"])
def test_an_ed448_key_of_small_order_is_refused(y, sign):
    with pytest.raises(ValueError, match=r"small order|canonical"):
        check_strength(Ed448PublicKey.from_public_bytes(y.to_bytes(56, "little") + sign))


@pytest.mark.promise("GD-06", "GD-46")
@pytest.mark.parametrize(
    ("bits", "exponent", "problem"),
    [
        (1024, 65537, "fewer than 2048 bits"),
        (2047, 65537, "fewer than 2048 bits"),
        (16_385, 65537, "more than 16384 bits"),
        (100_000, 3, "more than 16384 bits"),
    ],
)
def test_an_rsa_key_of_a_bad_size_is_refused(bits, exponent, problem):
    with pytest.raises(ValueError, match=problem):
        check_strength(RSAPublicNumbers(exponent, 2 ** (bits - 1) + 1).public_key())


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("bits", [2048, 3072, 16_384])
@pytest.mark.parametrize("exponent", [2**64 + 1, 2**256 + 1, 2**2000 + 1])
def test_an_rsa_key_with_a_long_exponent_is_refused(bits, exponent):
    """Up to 3072 bits OpenSSL takes any: one check would cost as much as a signature."""
    with pytest.raises(ValueError, match="more than 64 bits"):
        check_strength(RSAPublicNumbers(exponent, 2 ** (bits - 1) + 1).public_key())
    check_strength(RSAPublicNumbers(2**63 + 1, 2 ** (bits - 1) + 1).public_key())


@pytest.mark.promise("GD-46")
def test_an_rsa_key_with_an_even_modulus_is_refused():
    with pytest.raises(ValueError, match="even modulus"):
        check_strength(RSAPublicNumbers(65537, 2**2047 + 2).public_key())


def test_good_keys_are_good():
    for _ in range(20):
        check_strength(Ed25519PrivateKey.generate().public_key())
        check_strength(Ed448PrivateKey.generate().public_key())
    check_strength(generate_private_key(SECP256R1()).public_key())
    for bits in (2048, 16_384):
        check_strength(RSAPublicNumbers(65537, 2 ** (bits - 1) + 1).public_key())


def test_the_forgery_needs_such_a_key():
    key = Ed25519PrivateKey.generate().public_key()
    for point in ENCODINGS:
        with pytest.raises(InvalidSignature):
            key.verify(point + bytes(32), b"any message")
