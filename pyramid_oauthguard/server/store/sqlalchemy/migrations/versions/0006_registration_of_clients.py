"""What an operator may say about a client, and its logo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _list_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("require_pkce", sa.Boolean(), nullable=True),
        sa.Column("first_party", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("loopback_localhost", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("access_token_ttl", sa.Double(), nullable=True),
        sa.Column("refresh_token_ttl", sa.Double(), nullable=True),
        sa.Column("refresh_token_max_age", sa.Double(), nullable=True),
        sa.Column("owner", sa.String(255), nullable=True),
        sa.Column("home_page", sa.Text(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("logo", sa.String(64), nullable=True),
    ]


def upgrade() -> None:
    """Clients that are there already use the settings of the server, and their users are asked as before."""
    for column in _list_columns():
        op.add_column("oauth_clients", column)
    op.create_table(
        "oauth_client_logos",
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["oauth_clients.client_id"], name="fk_oauth_client_logos_client_id"),
        sa.PrimaryKeyConstraint("client_id", name="pk_oauth_client_logos"),
    )
    op.create_index("ix_oauth_client_logos_name", "oauth_client_logos", ["name"])


def downgrade() -> None:
    """Forget it again."""
    op.drop_table("oauth_client_logos")
    for column in reversed(_list_columns()):
        op.drop_column("oauth_clients", column.name)
