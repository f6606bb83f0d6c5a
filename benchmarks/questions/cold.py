"""What does the first verification of a token cost over the bare signature check?"""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.util import urlsafe_b64decode

from pyramid_oauthguard.testing import MemoryIssuer, SigningKey

from ..harness.environments import build_command, describe
from ..harness.guarded import CLAIMS, build_verifier
from ..harness.measure import Comparison, Options, compare
from ..harness.report import Row, Table

__all__ = ["answer"]

#: More than the two that the verifier is told to remember, so that each is new to it each time.
_TOKENS = 64
_REACH = {"RS256": 1.7, "ES256": 1.35, "EdDSA": 1.2, "PS256": None}


def answer(options: Options) -> Table:
    rows = []
    for algorithm, reach in _REACH.items():
        issuer = MemoryIssuer(algorithm=algorithm)
        tokens = [issuer.mint(CLAIMS) for _ in range(_TOKENS)]
        found = compare(_prepare_guard(issuer, tokens), _prepare_bare(issuer.signing_key, tokens), options)
        rows.append(Row.of(algorithm, found, at_most=reach))
    if options.peers:
        rows += _measure_libraries(options)
    return Table("A token never seen before: the local check / the bare verify of cryptography", rows)


def _measure_libraries(options: Options) -> list[Row]:
    told = json.dumps({"pairs": options.pairs, "seconds": options.seconds})
    command = [*build_command("libraries"), "cold", told]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    versions = describe("libraries")
    return [Row.of(name, Comparison(**each), note=versions) for name, each in found.items()]


def _prepare_guard(issuer: MemoryIssuer, tokens: list[str]) -> Callable[[], Any]:
    settings = {**issuer.settings, "oauthguard.cache.tokens.size": "2"}
    verify = build_verifier("local", settings, issuer)
    following = itertools.cycle([token.encode() for token in tokens]).__next__
    return lambda: verify(following().decode("latin-1"))


def _prepare_bare(key: SigningKey, tokens: list[str]) -> Callable[[], Any]:
    public = key.native.public_key
    pairs = []
    for token in tokens:
        message, _dot, signature = token.rpartition(".")
        pairs.append((urlsafe_b64decode(signature.encode()), message.encode()))
    if key.algorithm == "RS256":
        how: tuple[Any, ...] = (padding.PKCS1v15(), SHA256())
    elif key.algorithm == "PS256":
        how = (padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    elif key.algorithm == "ES256":
        how = (ec.ECDSA(SHA256()),)
        pairs = [(_as_der(signature), message) for signature, message in pairs]
    else:
        how = ()
    following = itertools.cycle(pairs).__next__
    return lambda: public.verify(*following(), *how)


def _as_der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
