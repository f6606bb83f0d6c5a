"""Lines of the audit trail that are older than 30 days may be deleted."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SQLITE = (
    "DROP TRIGGER oauth_audit_no_delete",
    """
CREATE TRIGGER oauth_audit_no_delete BEFORE DELETE ON oauth_audit
WHEN OLD.at > (julianday('now') - 2440587.5) * 86400 - 2592000
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only for 30 days'); END
""",
)
_NO_CHANGE = """
CREATE TRIGGER oauth_audit_no_change BEFORE {} ON oauth_audit
FOR EACH STATEMENT EXECUTE FUNCTION oauth_audit_refuse()
"""
_POSTGRESQL = (
    "DROP TRIGGER oauth_audit_no_change ON oauth_audit",
    _NO_CHANGE.format("UPDATE OR TRUNCATE"),
    """
CREATE FUNCTION oauth_audit_keep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
IF OLD.at > extract(epoch FROM clock_timestamp()) - 2592000
THEN RAISE EXCEPTION 'oauth_audit is append-only for 30 days'; END IF;
RETURN OLD; END $$
""",
    """
CREATE TRIGGER oauth_audit_no_delete BEFORE DELETE ON oauth_audit
FOR EACH ROW EXECUTE FUNCTION oauth_audit_keep()
""",
)
_BACK_ON_SQLITE = (
    "DROP TRIGGER oauth_audit_no_delete",
    """
CREATE TRIGGER oauth_audit_no_delete BEFORE delete ON oauth_audit
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only'); END
""",
)
_BACK_ON_POSTGRESQL = (
    "DROP TRIGGER oauth_audit_no_delete ON oauth_audit",
    "DROP FUNCTION oauth_audit_keep()",
    "DROP TRIGGER oauth_audit_no_change ON oauth_audit",
    _NO_CHANGE.format("UPDATE OR DELETE OR TRUNCATE"),
)


def upgrade() -> None:
    """The database still refuses to delete what is younger, and to change any line."""
    _run(_SQLITE, _POSTGRESQL)


def downgrade() -> None:
    """Refuse to delete any line again."""
    _run(_BACK_ON_SQLITE, _BACK_ON_POSTGRESQL)


def _run(on_sqlite: tuple[str, ...], on_postgresql: tuple[str, ...]) -> None:
    found = {"sqlite": on_sqlite, "postgresql": on_postgresql}.get(op.get_bind().dialect.name, ())
    for statement in found:
        op.execute(statement)
