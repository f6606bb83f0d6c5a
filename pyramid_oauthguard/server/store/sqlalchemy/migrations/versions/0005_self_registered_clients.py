"""Clients that registered themselves, and when they end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Clients from before were registered by the operator, and do not end by themselves."""
    by = sa.Column("registered_by", sa.String(16), nullable=False, server_default=sa.text("'operator'"))
    op.add_column("oauth_clients", by)
    op.add_column("oauth_clients", sa.Column("expires_at", sa.Double(), nullable=True))
    op.create_index("ix_oauth_clients_expires_at", "oauth_clients", ["expires_at"])


def downgrade() -> None:
    """Forget it again. Clients that no user has allowed anything are revoked: without the column they would stay for ever."""
    op.execute("UPDATE oauth_clients SET revoked_at = created_at WHERE expires_at IS NOT NULL AND revoked_at IS NULL")
    op.drop_index("ix_oauth_clients_expires_at", "oauth_clients")
    op.drop_column("oauth_clients", "expires_at")
    op.drop_column("oauth_clients", "registered_by")
