"""A page of the list of clients is found by an index, so that its cost does not grow with the number of clients."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NAME = "ix_oauth_clients_created_at_client_id"


def upgrade() -> None:
    """The index."""
    op.create_index(_NAME, "oauth_clients", ["created_at", "client_id"])


def downgrade() -> None:
    """Without it."""
    op.drop_index(_NAME, "oauth_clients")
