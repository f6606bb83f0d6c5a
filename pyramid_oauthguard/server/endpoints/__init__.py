"""The endpoints: one module each, with two functions.

``include(config, settings)`` adds its route and its views; ``describe(service, locate)`` returns its members of the
metadata (RFC 8414 section 2), where ``locate(route_name)`` is the URL of a route. An endpoint whose grant is not in
``settings.grants`` adds no route and describes nothing. A new endpoint is one file and one line in this table.
"""

from __future__ import annotations

from typing import Final

from . import (
    applications,
    authorize,
    device,
    device_authorization,
    introspect,
    jwks,
    logo,
    metadata,
    register,
    revoke,
    style,
    switch_user,
    token,
)

__all__ = ["ENDPOINTS"]

ENDPOINTS: Final = (
    style,
    token,
    revoke,
    introspect,
    jwks,
    metadata,
    authorize,
    device_authorization,
    device,
    applications,
    register,
    logo,
    switch_user,
)
