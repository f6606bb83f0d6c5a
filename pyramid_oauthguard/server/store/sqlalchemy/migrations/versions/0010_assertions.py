"""What clients may assert about users, and the grant type of each grant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No client that is there may assert users."""
    subjects = sa.Column("assertion_subjects", sa.Text(), nullable=False, server_default=sa.text("''"))
    op.add_column("oauth_clients", subjects)
    op.add_column("oauth_clients", sa.Column("shared_key", sa.LargeBinary(), nullable=True))
    op.add_column("oauth_grants", sa.Column("grant_type", sa.String(255), nullable=True))


def downgrade() -> None:
    """Forget it again."""
    op.drop_column("oauth_grants", "grant_type")
    op.drop_column("oauth_clients", "shared_key")
    op.drop_column("oauth_clients", "assertion_subjects")
