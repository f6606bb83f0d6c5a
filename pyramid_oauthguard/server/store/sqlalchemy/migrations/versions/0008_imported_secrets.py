"""How another server has hashed the secret of a client."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The secrets that are there are hashed by this server alone."""
    op.add_column("oauth_client_secrets", sa.Column("scheme", sa.String(255), nullable=True))


def downgrade() -> None:
    """Imported secrets that were not used yet are deleted: the release before would take them for its own."""
    op.execute("DELETE FROM oauth_client_secrets WHERE scheme IS NOT NULL")
    op.drop_column("oauth_client_secrets", "scheme")
