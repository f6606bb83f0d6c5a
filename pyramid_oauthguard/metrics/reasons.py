"""The reasons that may be a label. An application's own verifier may raise an error with any text as its reason."""

from __future__ import annotations

from typing import Final

from ..guard.reports.reasons import REASONS

__all__ = ["OTHER", "bound_reason"]

OTHER: Final = "other"
_MORE: Final = """
    missing_token malformed_token malformed_header several_credentials
    insufficient_scope denied wrong_issuer wrong_client outside_prefix wrong_acr signed_in_too_long_ago no_auth_time
    auth_time_in_future ambiguous_path too_long unknown_critical bound encrypted bad_typ
    unreachable storage forbidden_url wrong_pepper introspection_failed bad_key_file verifier_failed no_signing_key encoded
    bad_token_file bad_metadata bad_jwks userinfo_refused too_many_checks too_large redirected other_tables other_issuer
    not_json no_userinfo no_usable_keys no_tables no_metadata no_endpoint newer_tables keys_changing introspection_slow
    introspection_refused foreign_tables circuit_open keys_failed metadata_failed keys_being_fetched metadata_being_fetched
    no_keys bad_signed_answer signed_answer unsigned_answer once_full once_store_down insufficient_user_authentication
"""
_KNOWN: Final = frozenset({*REASONS, *_MORE.split()})


def bound_reason(reason: object) -> str:
    """The reason if it is one of the code's own."""
    return reason if isinstance(reason, str) and reason in _KNOWN else OTHER
