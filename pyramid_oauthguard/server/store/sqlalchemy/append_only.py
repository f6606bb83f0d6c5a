"""The statements with which the database itself refuses changes of the audit trail, and deletions of its lines of the last
30 days: what is older may be pruned."""

from __future__ import annotations

from typing import Final

__all__ = ["GUARDS"]

# The migrations do the same.
_REFUSE = """
CREATE FUNCTION oauth_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'oauth_audit is append-only'; END $$
"""
_NO_CHANGE = """
CREATE TRIGGER oauth_audit_no_change BEFORE UPDATE OR TRUNCATE ON oauth_audit
FOR EACH STATEMENT EXECUTE FUNCTION oauth_audit_refuse()
"""
_KEEP = """
CREATE FUNCTION oauth_audit_keep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
IF OLD.at > extract(epoch FROM clock_timestamp()) - 2592000
THEN RAISE EXCEPTION 'oauth_audit is append-only for 30 days'; END IF;
RETURN OLD; END $$
"""
_NO_YOUNG_DELETE = """
CREATE TRIGGER oauth_audit_no_delete BEFORE DELETE ON oauth_audit
FOR EACH ROW EXECUTE FUNCTION oauth_audit_keep()
"""
_NO_UPDATE = """
CREATE TRIGGER oauth_audit_no_update BEFORE update ON oauth_audit
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only'); END
"""
_NO_DELETE = """
CREATE TRIGGER oauth_audit_no_delete BEFORE DELETE ON oauth_audit
WHEN OLD.at > (julianday('now') - 2440587.5) * 86400 - 2592000
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only for 30 days'); END
"""
# REPLACE deletes a row without asking the triggers of DELETE. A row that is given no id has -1 here.
_NO_REPLACE = """
CREATE TRIGGER oauth_audit_no_replace BEFORE INSERT ON oauth_audit
WHEN NEW.audit_id <> -1 AND EXISTS (SELECT 1 FROM oauth_audit WHERE audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only'); END
"""
GUARDS: Final = {
    "sqlite": (_NO_UPDATE, _NO_DELETE, _NO_REPLACE),
    "postgresql": (_REFUSE, _NO_CHANGE, _KEEP, _NO_YOUNG_DELETE),
}
