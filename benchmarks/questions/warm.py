"""What does a guarded request cost over the same view under a no-op policy with the same ACL?"""

from __future__ import annotations

from pyramid_oauthguard.testing import MemoryIssuer

from ..harness.applications import CLAIMS, NoopPolicy, build_guarded, build_unguarded, prepare
from ..harness.measure import Options, compare
from ..harness.report import Row, Table

__all__ = ["answer"]


def answer(options: Options) -> Table:
    issuer = MemoryIssuer()
    tokens = [issuer.mint(CLAIMS, exp=4_000_000_000)]
    base = prepare(build_unguarded(NoopPolicy()), tokens)
    bare = prepare(build_unguarded(), tokens)
    guarded = {
        "token_check and permission": {"token_check": "local", "permission": "read"},
        "permission alone": {"permission": "read"},
        "token_check and token_require": {"token_check": "local", "token_require": "customer_api"},
    }
    rows = []
    for name, view in guarded.items():
        subject = prepare(build_guarded(issuer.settings, issuer, **view), tokens)
        reach = 1.08 if name != "token_check and token_require" else None
        rows.append(Row.of(name, compare(subject, base, options), at_most=reach))
    rows.append(Row.of("no policy, no permission", compare(bare, base, options)))
    return Table("In process, one warm local token: guarded / no-op policy with the same ACL", rows)
