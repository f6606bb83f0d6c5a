"""Key sets as issuers publish them, careless and hostile ones among them."""

from __future__ import annotations

import itertools
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import int_to_base64, urlsafe_b64decode, urlsafe_b64encode

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.jwt.keyset import build_key_set
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, SigningKey, generate_key, trust
from tests.ground.test_key_strength import ENCODINGS
from tests.guard.verifying import build_verifier, find_reason, find_verifier, verify_with

RSA = generate_key("RS256", kid="good")
ANOTHER_RSA = generate_key("RS256", kid="another")
EC = generate_key("ES256", kid="curve")
EDWARDS = generate_key("Ed25519", kid="edwards")


def without(key, *names):
    return {name: value for name, value in key.jwk.items() if name not in names}


def accept(keys, key, header=None, **settings):
    """Whether a token of `key` is accepted when `keys` are published."""
    token = verify_with(keys, lambda issuer: issuer.mint(sub="ada", key=key, header=header), **settings)
    return token.subject == "ada"


def refuse(keys, key, header=None, **settings):
    """Why a token of `key` is refused when `keys` are published."""
    with pytest.raises((InvalidToken, UnavailableError)) as caught:
        accept(keys, key, header, **settings)
    return caught.value.reason


# ── whatever else is published ───────────────────────────────────────────────────────────────────────────────────

BAD_KEYS = {
    "unknown kty": {"kty": "MYSTERY", "kid": "m", "x": "AA"},
    "post-quantum": {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "A" * 1752},
    "post-quantum, bare": {"kty": "AKP"},
    "no kty": {"kid": "k", "n": "AQAB", "e": "AQAB"},
    "kty not text": {"kty": ["RSA"], "kid": "k"},
    "kty null": {"kty": None},
    "RSA without modulus": {"kty": "RSA", "kid": "r", "e": "AQAB"},
    "RSA modulus empty": {"kty": "RSA", "n": "", "e": "AQAB"},
    "RSA modulus not base64url": {"kty": "RSA", "n": "+/=", "e": "AQAB"},
    "RSA modulus a number": {"kty": "RSA", "n": 65537, "e": 65537},
    "RSA modulus zero": {"kty": "RSA", "n": "AA", "e": "AA"},
    "RSA exponent empty": without(RSA, "e") | {"e": "", "kid": "r"},
    "EC unknown curve": {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
    "EC curve not text": {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
    "EC secp256k1": {"kty": "EC", "crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
    "EC not on the curve": EC.jwk | {"y": EC.jwk["x"], "kid": "off"},
    "EC coordinates missing": {"kty": "EC", "crv": "P-256"},
    "OKP X25519": {"kty": "OKP", "crv": "X25519", "x": EDWARDS.jwk["x"]},
    "OKP short": {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    "OKP empty": {"kty": "OKP", "crv": "Ed25519", "x": ""},
    "symmetric": {**OctKey.generate_key(256).as_dict(), "kid": "o", "alg": "HS256"},
    "key for encryption": {**ANOTHER_RSA.jwk, "use": "enc", "kid": "e"},
    "kid null": {**ANOTHER_RSA.jwk, "kid": None},
    "kid a number": {**ANOTHER_RSA.jwk, "kid": 7},
    "kid a list": {**ANOTHER_RSA.jwk, "kid": ["good"]},
    "alg a list": {**ANOTHER_RSA.jwk, "alg": ["RS256"], "kid": "a"},
    "use a list": {**ANOTHER_RSA.jwk, "use": ["sig"], "kid": "u"},
    "key_ops text": {**ANOTHER_RSA.jwk, "key_ops": "verify", "kid": "ko"},
    "key_ops of objects": {**ANOTHER_RSA.jwk, "key_ops": [{}], "kid": "ko"},
    "crv an object": {"kty": "OKP", "crv": {}, "x": "AA"},
    "empty": {},
    "text": "key",
    "null": None,
    "number": 1,
    "list": [RSA.jwk],
}


@pytest.mark.slow
@pytest.mark.promise("GD-05")
@pytest.mark.parametrize("bad", BAD_KEYS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_one_odd_key_does_not_spoil_the_good_one(bad, place):
    keys = [BAD_KEYS[bad], RSA.jwk] if place == "before" else [RSA.jwk, BAD_KEYS[bad]]
    assert accept(keys, RSA)


@pytest.mark.promise("GD-05")
@pytest.mark.parametrize("bad", BAD_KEYS)
def test_an_odd_key_is_never_used(bad):
    assert not build_key_set([BAD_KEYS[bad]], ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])


@pytest.mark.promise("GD-05")
def test_all_of_them_together_do_not_spoil_it():
    assert accept([*BAD_KEYS.values(), RSA.jwk, *BAD_KEYS.values()], RSA)


@pytest.mark.promise("GD-05")
def test_a_key_set_of_odd_keys_alone_is_an_issuer_that_cannot_be_asked():
    assert refuse(BAD_KEYS.values(), RSA) == "no_usable_keys"
    assert refuse([], RSA) == "no_usable_keys"


@pytest.mark.promise("GD-05")
@pytest.mark.parametrize("key", [RSA, EC, EDWARDS], ids=lambda key: key.algorithm)
def test_a_private_key_that_is_published_is_not_used(key):
    """Everybody can sign with it: not even its owner's tokens prove anything."""
    private = {**key.native.as_dict(private=True), "kid": key.kid, "alg": key.algorithm}
    assert refuse([private, ANOTHER_RSA.jwk], key) == "unknown_key"


@pytest.mark.promise("GD-05")
@pytest.mark.parametrize("member", ["p", "q", "dp", "dq", "qi", "oth"])
def test_a_part_of_a_private_key_is_enough(member):
    private = RSA.native.as_dict(private=True)
    leaked = {**RSA.jwk, member: private.get(member, [])}
    assert refuse([leaked, ANOTHER_RSA.jwk], RSA) == "unknown_key"


@pytest.mark.promise("GD-05")
@pytest.mark.parametrize(
    "extra",
    [
        {"x5c": ["not a certificate"], "x5t": 1, "x5u": "javascript:alert(1)"},
        {"issuer": "https://issuer.test"},
        {"ext": True, "exp": 1, "revoked": None, "": {}},
        {"key_ops": ["verify"]},
        {"key_ops": ["verify", "wrapKey", "https://example.com/mine"]},
        {"use": "sig", "key_ops": ["verify"]},
    ],
    ids=str,
)
def test_extra_members_do_not_cost_the_key(extra):
    assert accept([{**RSA.jwk, **extra}], RSA)


# ── the key must fit ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(
    "marks",
    [
        {"use": "enc"},
        {"use": "SIG"},
        {"use": ""},
        {"use": None},
        {"key_ops": []},
        {"key_ops": ["sign"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": None, "use": "enc"},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"alg": "RSA-OAEP"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"kty": "EC"},
        {"kty": "rsa"},
    ],
    ids=str,
)
def test_a_key_that_is_not_for_this_is_not_used(marks):
    assert refuse([{**RSA.jwk, **marks}, EC.jwk], RSA) == "unknown_key"


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(("algorithm", "curve"), [("ES256", "P-384"), ("ES384", "P-521"), ("ES512", "P-256")])
def test_an_ecdsa_algorithm_belongs_to_one_curve(algorithm, curve):
    other = next(name for name, size in (("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")) if size == curve)
    wrong = generate_key(other, kid="c")
    assert refuse([without(wrong, "alg")], SigningKey("c", other, wrong.native), {"alg": algorithm}) == "unknown_key"


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_rsa_key_without_alg_serves_each_of_its_algorithms(algorithm):
    assert accept([without(RSA, "alg", "use")], SigningKey("good", algorithm, RSA.native))


@pytest.mark.promise("GD-02")
def test_a_kid_of_another_key_is_not_that_key():
    assert refuse([RSA.jwk, ANOTHER_RSA.jwk], RSA, {"kid": "another"}) == "bad_signature"
    assert refuse([RSA.jwk, EC.jwk], RSA, {"kid": "curve"}) == "unknown_key"
    assert refuse([RSA.jwk], RSA, {"kid": "GOOD"}) == "unknown_key"


# ── no kid, one kid twice ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-61")
def test_without_a_kid_the_one_key_that_fits_is_used():
    assert accept([EC.jwk, RSA.jwk, EDWARDS.jwk], RSA, {"kid": ABSENT})


@pytest.mark.promise("GD-61")
def test_a_key_without_a_name_serves_tokens_without_and_with_one():
    nameless = without(RSA, "kid", "alg", "use")
    assert accept([nameless], RSA, {"kid": ABSENT})
    assert accept([nameless], RSA)


@pytest.mark.promise("GD-61")
def test_a_key_without_a_name_does_not_answer_to_another_ones():
    """Where keys have names, an unknown name is an unknown key, not an invitation to try the nameless ones."""
    assert refuse([without(RSA, "kid"), ANOTHER_RSA.jwk], RSA, {"kid": "rotated-away"}) == "unknown_key"


@pytest.mark.promise("GD-61")
@pytest.mark.parametrize("order", [0, 1])
def test_of_two_keys_with_one_kid_the_signature_decides(order):
    twins = [RSA.jwk, {**ANOTHER_RSA.jwk, "kid": "good"}]
    assert accept(twins[order:] + twins[:order], RSA)


@pytest.mark.promise("GD-61")
def test_two_kinds_of_key_with_one_kid_are_told_apart_by_the_algorithm():
    assert accept([{**EC.jwk, "kid": "good"}, RSA.jwk, {**EDWARDS.jwk, "kid": "good"}], RSA)


@pytest.mark.promise("GD-61")
@pytest.mark.parametrize("header", [{"kid": ABSENT}, {"kid": "good"}], ids=["without a kid", "one kid for all"])
def test_at_most_sixteen_keys_are_tried(header):
    """Else one token without a kid costs as many signature checks as the issuer has keys."""
    others = [generate_key("ES256", kid="good").jwk for _ in range(16)]
    mine = generate_key("ES256", kid="good")
    assert accept([*others[:15], mine.jwk, *others[15:]], mine, header)
    assert refuse([*others, mine.jwk], mine, header) == "too_many_keys"
    assert refuse(others, mine, header) == "bad_signature"


@pytest.mark.promise("GD-61", "GD-05")
def test_the_same_key_published_many_times_is_one_key():
    others = [generate_key("ES256", kid="good").jwk for _ in range(3)]
    mine = generate_key("ES256", kid="good")
    assert accept([*others * 50, mine.jwk], mine)


# ── many keys ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-05")
def test_ten_thousand_keys_are_a_key_set():
    keys = [{**EC.jwk, "kid": f"k{number}"} for number in range(9_999)]
    issuer = MemoryIssuer()
    issuer.withdraw()
    issuer.publish(*keys, RSA.jwk)
    verifier = build_verifier(issuer)
    raw = issuer.mint(sub="ada", key=RSA)
    began = time.thread_time()
    assert verifier.verify(raw).subject == "ada"
    assert time.thread_time() - began < 20  # importing them, once
    began = time.thread_time()
    for _again in range(100):
        assert verifier.verify(issuer.mint(sub="ada", key=RSA)).subject == "ada"
    assert time.thread_time() - began < 5


# ── weak keys ────────────────────────────────────────────────────────────────────────────────────────────────────


def as_rsa_jwk(modulus, exponent, kid="weak"):
    return {"kty": "RSA", "n": int_to_base64(modulus), "e": int_to_base64(exponent), "kid": kid, "alg": "RS256"}


@pytest.mark.promise("GD-06")
@pytest.mark.filterwarnings("ignore:Key size should be")  # as in production, where joserfc warns and goes on
@pytest.mark.parametrize("bits", [512, 1024, 2040])
def test_a_short_rsa_key_is_refused(bits):
    native = rsa.generate_private_key(65537, max(bits, 1024)) if bits >= 1024 else None
    if native is None:  # the library makes none so short, an issuer might
        assert not build_key_set([as_rsa_jwk((1 << 511) | 1, 65537)], ["RS256"])
        return
    key = SigningKey("weak", "RS256", RSAKey(native, native))
    numbers = native.public_key().public_numbers()
    assert refuse([as_rsa_jwk(numbers.n, numbers.e), EC.jwk], key) == "unknown_key"


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("bits", [16_385, 16_640, 65_536, 200_000])
def test_a_huge_rsa_key_is_refused_before_it_costs_anything(bits):
    huge = as_rsa_jwk((1 << (bits - 1)) | 1, 65537)
    began = time.thread_time()
    assert not build_key_set([huge], ["RS256"])
    assert time.thread_time() - began < 1


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("exponent", [0, 1, 2, 4, 65536, 65538])
def test_an_rsa_key_with_exponent_one_or_even_is_refused(exponent):
    modulus = RSA.native.public_key.public_numbers().n
    assert not build_key_set([as_rsa_jwk(modulus, exponent)], ["RS256"])


@pytest.mark.promise("GD-06")
def test_every_message_would_be_its_own_signature_under_exponent_one():
    """The attack of an exponent of 1: the padded digest itself is a signature. Refused, since the key is."""
    import hashlib

    modulus = RSA.native.public_key.public_numbers().n
    issuer = MemoryIssuer()
    issuer.publish(as_rsa_jwk(modulus, 1))
    header, payload, _signature = issuer.mint(header={"kid": "weak"}).split(".")
    digest = hashlib.sha256(f"{header}.{payload}".encode()).digest()
    info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
    padded = b"\0\1" + b"\xff" * (256 - len(info) - 3) + b"\0" + info
    raw = f"{header}.{payload}.{urlsafe_b64encode(padded).decode()}"
    assert find_reason(build_verifier(issuer), raw) == "unknown_key"


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("exponent", [3, 17, 65537])
def test_an_rsa_key_of_a_usual_exponent_is_used(exponent):
    native = rsa.generate_private_key(exponent, 2048) if exponent in (3, 65537) else None
    if native is None:
        modulus = RSA.native.public_key.public_numbers().n
        assert build_key_set([as_rsa_jwk(modulus, exponent)], ["RS256"])
        return
    numbers = native.public_key().public_numbers()
    assert accept([as_rsa_jwk(numbers.n, numbers.e)], SigningKey("weak", "RS256", RSAKey(native, native)))


def as_okp_jwk(raw, crv="Ed25519"):
    return {"kty": "OKP", "crv": crv, "x": urlsafe_b64encode(raw).decode(), "kid": "weak", "alg": "EdDSA", "use": "sig"}


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("raw", ENCODINGS, ids=bytes.hex)
def test_an_ed25519_key_of_small_order_is_not_in_the_key_set(raw):
    assert not build_key_set([as_okp_jwk(raw)], ["EdDSA", "Ed25519"])
    assert not build_key_set([{"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(raw).decode()}], ["Ed25519"])
    assert accept([as_okp_jwk(raw), EDWARDS.jwk], EDWARDS)


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("y", [0, 1, 2**448 - 2**224 - 2])
def test_an_ed448_key_of_small_order_is_not_in_the_key_set(y):
    for sign in (b"\x00", b"\x80"):
        assert not build_key_set([as_okp_jwk(y.to_bytes(56, "little") + sign, "Ed448")], ["EdDSA"])


@pytest.mark.slow
@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("raw", ENCODINGS, ids=bytes.hex)
def test_a_token_that_nobody_signed_is_refused_whatever_small_key_is_published(raw):
    """Of 64 tokens, each of these keys verifies some with the signature (R, 0) for an R of small order."""
    issuer = MemoryIssuer()
    issuer.publish(as_okp_jwk(raw))
    verifier = build_verifier(issuer)
    for point in ENCODINGS:
        header, payload, _signature = issuer.mint(header={"kid": "weak", "alg": "EdDSA"}).split(".")
        forged = urlsafe_b64encode(point + bytes(32)).decode()
        assert find_reason(verifier, f"{header}.{payload}.{forged}") == "unknown_key"


@pytest.mark.promise("GD-46")
def test_a_key_whose_kid_is_null_is_not_a_key_without_a_kid():
    assert refuse([{**RSA.jwk, "kid": None}, EC.jwk], RSA, {"kid": ABSENT}) == "unknown_key"
    assert accept([{**RSA.jwk, "kid": None}, without(RSA, "kid")], RSA, {"kid": ABSENT})


@pytest.mark.promise("GD-46")
def test_a_token_whose_kid_is_null_is_not_a_token_without_a_kid():
    assert refuse([without(RSA, "kid")], RSA, {"kid": None}) == "bad_kid"
    assert refuse([RSA.jwk], RSA, {"kid": None}) == "bad_kid"
    assert refuse([{**RSA.jwk, "kid": None}, EC.jwk], RSA, {"kid": None}) == "bad_kid"


# ── weak signatures ──────────────────────────────────────────────────────────────────────────────────────────────

SIZES = {"ES256": 64, "ES384": 96, "ES512": 132}
ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def exchange_signature(raw, signature):
    return f"{raw.rpartition('.')[0]}.{urlsafe_b64encode(signature).decode()}"


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("algorithm", SIZES)
def test_an_ecdsa_signature_of_zeros_is_refused(algorithm):
    issuer = MemoryIssuer(algorithm=algorithm)
    verifier = build_verifier(issuer)
    size = SIZES[algorithm]
    raw = issuer.mint()
    good = urlsafe_b64decode(raw.rpartition(".")[2].encode())
    half = size // 2
    for signature in (
        bytes(size),
        bytes(half) + good[half:],
        good[:half] + bytes(half),
        bytes(half - 1) + b"\1" + bytes(half - 1) + b"\1",
        b"\xff" * size,
        bytes(size * 2),
        b"\0",
    ):
        assert find_reason(verifier, exchange_signature(raw, signature)) == "bad_signature"


@pytest.mark.promise("GD-06")
def test_an_ecdsa_signature_of_the_groups_order_is_refused():
    issuer = MemoryIssuer(algorithm="ES256")
    raw, order = issuer.mint(), ORDER_P256.to_bytes(32)
    good = urlsafe_b64decode(raw.rpartition(".")[2].encode())
    verifier = build_verifier(issuer)
    for signature in (order * 2, order + good[32:], good[:32] + order):
        assert find_reason(verifier, exchange_signature(raw, signature)) == "bad_signature"


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("algorithm", SIZES)
def test_an_ecdsa_signature_in_der_is_refused(algorithm):
    issuer = MemoryIssuer(algorithm=algorithm)
    raw = issuer.mint()
    good = urlsafe_b64decode(raw.rpartition(".")[2].encode())
    half = len(good) // 2
    der = encode_dss_signature(int.from_bytes(good[:half]), int.from_bytes(good[half:]))
    assert decode_dss_signature(der)
    assert find_reason(build_verifier(issuer), exchange_signature(raw, der)) == "bad_signature"


@pytest.mark.slow
@pytest.mark.promise("GD-06", "GD-64")
@pytest.mark.parametrize("algorithm", SIZES)
def test_an_ecdsa_signature_has_no_zero_more_or_less(algorithm):
    """Both numbers would stay what they are, and the same token would have other spellings."""
    issuer = MemoryIssuer(algorithm=algorithm)
    verifier = build_verifier(issuer)
    half = SIZES[algorithm] // 2
    minted = (issuer.mint(n=number) for number in itertools.count())
    signed = ((raw, urlsafe_b64decode(raw.rpartition(".")[2].encode())) for raw in minted)
    raw, good = next((raw, good) for raw, good in signed if good[half] == 0)
    for signature in (
        good[:half] + b"\0" + good[half:],
        good[:half] + bytes(8) + good[half:],
        good[:half] + good[half + 1 :],
    ):
        assert find_reason(verifier, exchange_signature(raw, signature)) == "bad_signature"
    assert verifier.verify(raw)


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "PS384", "PS512"])
def test_a_signature_that_begins_with_zero_has_one_spelling(algorithm):
    """OpenSSL takes one of RSASSA-PSS without its first bytes if they are zero."""
    issuer = MemoryIssuer(algorithm=algorithm)
    verifier = build_verifier(issuer)
    for number in range(5_000):
        raw = issuer.mint(number=number)
        good = urlsafe_b64decode(raw.rpartition(".")[2].encode())
        if good.startswith(b"\0"):
            break
    assert find_reason(verifier, exchange_signature(raw, good.lstrip(b"\0"))) == "bad_signature"
    assert verifier.verify(raw)


@pytest.mark.promise("GD-06")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES512", "Ed25519"])
def test_a_signature_of_another_length_is_refused(algorithm):
    issuer = MemoryIssuer(algorithm=algorithm)
    raw = issuer.mint()
    good = urlsafe_b64decode(raw.rpartition(".")[2].encode())
    verifier = build_verifier(issuer)
    for signature in (
        b"\0" + good,
        good + b"\0",
        good[1:],
        good[:-1],
        good * 2,
        good[: len(good) // 2],
        b"\0" * 20_000,
    ):
        assert find_reason(verifier, exchange_signature(raw, signature)) == "bad_signature"
    assert verifier.verify(raw)


@pytest.mark.promise("GD-06")
def test_a_signature_of_one_algorithm_is_none_of_another():
    """RS256 and PS256 share a key; ES256's (r, s) of another message proves nothing of this one."""
    pss = SigningKey("good", "PS256", RSA.native)
    keys = [without(RSA, "alg")]
    assert accept(keys, pss)
    assert refuse(keys, pss, {"alg": "RS256"}) == "bad_signature"
    assert refuse(keys, pss, {"alg": "PS384"}) == "bad_signature"


# ── fuzz ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("GD-05")
def test_no_pair_of_members_of_odd_types_spoils_the_good_key():
    odd = (None, True, 1, -1.5, "", "x", [], ["x"], {}, {"x": 1})
    names = ("kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y", "x5c")
    documents = [
        {**RSA.jwk, "kid": "odd", one: value, other: another}
        for one, other in itertools.combinations(names, 2)
        for value, another in itertools.product(odd, odd)
    ]
    keys = build_key_set([*documents, RSA.jwk], ["RS256", "ES256", "EdDSA"])
    assert keys.find("RS256", "good")


@pytest.mark.parametrize("document", [None, {}, "keys", 7, {"keys": []}, [[]], [None]])
def test_what_is_no_list_of_keys_has_none(document):
    assert not build_key_set(document, ["RS256"])


def test_trusting_twice_before_the_first_request_takes_the_last():
    issuer, later = MemoryIssuer(), MemoryIssuer()
    from pyramid.config import Configurator

    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard")
    app = config.make_wsgi_app()
    trust(app, issuer)
    trust(app, later)
    assert find_verifier(app.registry).verify(later.mint())


@pytest.mark.promise("GD-02")
@pytest.mark.parametrize(
    ("member", "verifies"),
    [
        ("https://issuer.test/t1/v2.0", True),
        ("https://issuer.test/{tenantid}/v2.0", True),
        ("https://issuer.test/t2/v2.0", False),
        ("https://issuer.test/t1/v2.0/", False),
        ("https://other.test/{tenantid}/v2.0", False),
        ("https://issuer.test/{tenantid}", False),
        ("{any}", False),
        ("", False),
        (7, False),
        (None, False),
    ],
)
def test_a_key_that_belongs_to_an_issuer_verifies_its_tokens_alone(member, verifies):
    issuer = MemoryIssuer("https://issuer.test/t1/v2.0")
    key = issuer.signing_key
    issuer.withdraw()
    issuer.publish({**key.jwk, "issuer": member})
    verifier = build_verifier(issuer)
    if verifies:
        assert verifier.verify(issuer.mint()).subject == "test-user"
    else:
        with pytest.raises((InvalidToken, UnavailableError)):
            verifier.verify(issuer.mint())
