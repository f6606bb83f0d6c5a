"""What ``oauthguard check`` says about clients that register themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ...interfaces import Finding
from ..settings import PREFIX, ServerSettings

__all__ = ["report_self_registration"]


def report_self_registration(settings: ServerSettings) -> Iterator[Finding]:
    """Whether everyone can register clients, and how many."""
    found, key = settings.self_registration, f"{PREFIX}.registration"
    if found.registration == "off":
        return
    if found.registration == "open" and (not settings.limits or settings.limits_registration is None):
        hint = f"limits = on and limits.registration = 20/1h: registration.max_unused = {found.registration_max_unused} is the only limit"
        yield Finding("warning", key, "open: everyone can register clients, without a limit for each address", hint)
    else:
        yield Finding("ok", key, f"{found.registration}: {' '.join(found.scopes)} at {' '.join(found.audiences)}")
