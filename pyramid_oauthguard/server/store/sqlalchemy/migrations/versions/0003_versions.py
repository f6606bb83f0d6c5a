"""How often the signing keys have changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HOLD = """
CREATE OR REPLACE FUNCTION oauth_hold_keys_version() RETURNS bigint LANGUAGE plpgsql VOLATILE AS
$$ DECLARE found bigint; BEGIN
PERFORM pg_advisory_xact_lock_shared(-5990999778665283172);
SELECT number INTO found FROM oauth_versions WHERE name = 'signing_keys';
RETURN coalesce(found, 0); END $$
"""


def upgrade() -> None:
    """Keys that are there already count as not changed."""
    op.create_table(
        "oauth_versions",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_oauth_versions"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_HOLD)


def downgrade() -> None:
    """Forget it again."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION oauth_hold_keys_version()")
    op.drop_table("oauth_versions")
