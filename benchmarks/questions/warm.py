"""What does a guarded request cost over the same view under a no-op policy with the same ACL?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from pyramid_oauthguard.testing import MemoryIssuer

from ..harness.environments import build_command, describe
from ..harness.guarded import CLAIMS, build_guarded
from ..harness.issuer import Issuer
from ..harness.measure import Comparison, Options, compare
from ..harness.report import Row, Table
from ..harness.wsgi import NoopPolicy, build, prepare

__all__ = ["answer"]

_VIEWS = {
    "token_check and permission": {"token_check": "local", "permission": "read"},
    "permission alone": {"permission": "read"},
    "token_check and token_require": {"token_check": "local", "token_require": "customer_api"},
}
_BY_HAND = {
    "local": "by hand, joserfc each time",
    "pyjwt": "by hand, PyJWKClient",
    "remembered": "by hand, a verdict in dogpile",
}


def answer(options: Options) -> Table:
    issuer = MemoryIssuer()
    tokens = [issuer.mint(CLAIMS)]
    base = prepare(build(NoopPolicy()), tokens)
    rows = []
    for name, view in _VIEWS.items():
        subject = prepare(build_guarded(issuer.settings, issuer, **view), tokens)
        reach = 1.08 if "permission" in view else None
        rows.append(Row.of(name, compare(subject, base, options), at_most=reach))
    rows.append(Row.of("no policy, no permission", compare(prepare(build(), tokens), base, options)))
    if options.peers:
        rows += _measure_by_hand(options)
    return Table("In process, one warm local token: guarded / no-op policy with the same ACL", rows)


def _measure_by_hand(options: Options) -> Iterator[Row]:
    with Issuer() as issuer:
        told = {
            "issuer": issuer.origin,
            "audience": issuer.settings["oauthguard.audience"],
            "jwks_uri": f"{issuer.origin}/jwks",
            "tokens": issuer.mint(1, **CLAIMS),
            "policies": list(_BY_HAND),
            "pairs": options.pairs,
            "seconds": options.seconds,
        }
        command = [*build_command("by_hand"), json.dumps(told)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for name, each in found.items():
        yield Row.of(_BY_HAND[name], Comparison(**each), note=describe("by_hand"))
