"""The guard's own verifiers pass the suite that others' must pass, in every setting that changes how they work."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.testing.contracts import VerifierContract
from tests.guard.verifying import build_verifier

pytestmark = pytest.mark.slow


class TestLocal(VerifierContract):
    mode = "local"

    def make_verifier(self, issuer):
        return build_verifier(issuer)


class TestLocalWithoutMemory(VerifierContract):
    mode = "local"

    def make_verifier(self, issuer):
        return build_verifier(issuer, cache__tokens__size="0")


class TestLocalOfTheStrictProfile(VerifierContract):
    mode = "local"

    def make_verifier(self, issuer):
        return build_verifier(issuer, profile="rfc9068")


class TestRemoteLive(VerifierContract):
    mode = "remote"

    def make_verifier(self, issuer):
        return build_verifier(issuer, "remote")


class TestRemoteCached(VerifierContract):
    mode = "remote"

    def make_verifier(self, issuer):
        return build_verifier(issuer, "remote", cache__introspection__expiration_time="60")
