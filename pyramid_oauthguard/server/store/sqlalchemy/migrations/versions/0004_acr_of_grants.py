"""How the user of a grant signed in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Older grants have no value: their tokens have no ``acr``."""
    op.add_column("oauth_grants", sa.Column("acr", sa.String(255), nullable=True))


def downgrade() -> None:
    """Forget it again."""
    op.drop_column("oauth_grants", "acr")
