"""Clients that a document describes, and what users saw of a client when they allowed it something."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ADDED: dict[str, tuple[tuple[str, Any], ...]] = {
    "oauth_clients": (("fresh_until", sa.Double()), ("jwks_uri", sa.Text())),
    "oauth_grants": (("auth_method", sa.String(32)),),
    "oauth_consents": (
        ("redirect_uri", sa.Text()),
        ("client_name", sa.String(255)),
        ("auth_method", sa.String(32)),
        ("jwks_host", sa.String(255)),
    ),
}


def upgrade() -> None:
    """What was not stored before is not known."""
    for table, columns in _ADDED.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    prints = sa.Column("key_thumbprints", sa.Text(), nullable=False, server_default=sa.text("''"))
    op.add_column("oauth_consents", prints)


def downgrade() -> None:
    """Forget it again. Clients that a document describes are revoked: an earlier release can't read their documents."""
    op.execute(
        "UPDATE oauth_clients SET revoked_at = created_at WHERE registered_by = 'document' AND revoked_at IS NULL"
    )
    op.drop_column("oauth_consents", "key_thumbprints")
    for table, columns in _ADDED.items():
        for name, _kind in columns:
            op.drop_column(table, name)
