"""Clients are found by who registered them and when they end, also among many unused ones."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index for both."""
    op.create_index("ix_oauth_clients_registered_by_expires_at", "oauth_clients", ["registered_by", "expires_at"])
    op.drop_index("ix_oauth_clients_expires_at", "oauth_clients")


def downgrade() -> None:
    """The index of 0005 again."""
    op.create_index("ix_oauth_clients_expires_at", "oauth_clients", ["expires_at"])
    op.drop_index("ix_oauth_clients_registered_by_expires_at", "oauth_clients")
