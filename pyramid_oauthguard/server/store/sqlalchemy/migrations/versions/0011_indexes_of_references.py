"""Everything that refers to a client is found by an index, so that the cost of ending a client does not grow with the number of rows."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_oauth_consents_client_id": ("oauth_consents", ["client_id"]),
    "ix_oauth_grants_client_id": ("oauth_grants", ["client_id"]),
    "ix_oauth_access_tokens_client_id_expires_at": ("oauth_access_tokens", ["client_id", "expires_at"]),
    "ix_oauth_device_codes_client_id": ("oauth_device_codes", ["client_id"]),
}


def upgrade() -> None:
    """One index for each table."""
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """None of them."""
    for name, (table, _columns) in _INDEXES.items():
        op.drop_index(name, table)
