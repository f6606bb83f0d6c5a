"""What ``oauthguard check`` says about clients that register themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ...interfaces import Finding
from ...urls import as_origin, is_loopback
from ..settings import PREFIX, ServerSettings

__all__ = ["report_self_registration"]

_DOCUMENTS = f"{PREFIX}.client_metadata_documents"


def report_self_registration(settings: ServerSettings) -> Iterator[Finding]:
    """Whether everyone can register clients, how many, and which documents describe clients."""
    if settings.self_registration.registration != "off":
        yield _report_registration(settings)
    if settings.self_registration.documents:
        yield from _report_documents(settings)


def _report_registration(settings: ServerSettings) -> Finding:
    found, key = settings.self_registration, f"{PREFIX}.registration"
    if found.registration == "open" and (not settings.limits or settings.limits_registration is None):
        hint = (
            f"limits.registration = 20/1h: registration.max_unused = {found.registration_max_unused} is the only limit"
        )
        return Finding("warning", key, "open: everyone can register clients, without a limit for each address", hint)
    return Finding("ok", key, f"{found.registration}: {_describe_rights(settings)}")


def _report_documents(settings: ServerSettings) -> Iterator[Finding]:
    found = settings.self_registration
    places = " ".join(found.documents_allow) or "every public host"
    yield Finding("ok", _DOCUMENTS, f"on for {places}: {_describe_rights(settings)}")
    if found.documents_redirects == "any":
        hint = "own: otherwise a document can name the page of somebody else"
        yield Finding("warning", f"{_DOCUMENTS}.redirects", "any: redirect URIs may be on any host", hint)
    if found.documents_development:
        level = "warning" if is_loopback(as_origin(settings.issuer).host) else "error"
        hint = "off: users can make this server call services of its own machine"
        yield Finding(level, f"{_DOCUMENTS}.development", "on: documents may be on loopback hosts", hint)


def _describe_rights(settings: ServerSettings) -> str:
    found = settings.self_registration
    return f"{' '.join(found.scopes)} at {' '.join(found.audiences)}"
