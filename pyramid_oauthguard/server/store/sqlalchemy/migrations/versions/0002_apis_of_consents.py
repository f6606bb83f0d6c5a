"""At which APIs a user allowed what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Consents from before name no API, so they cover none: users are asked once more."""
    op.add_column("oauth_consents", sa.Column("audiences", sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    """Forget it again."""
    op.drop_column("oauth_consents", "audiences")
