"""The statements with which the database itself refuses changes of the audit trail."""

from __future__ import annotations

from typing import Final

__all__ = ["GUARDS"]

# The migration that makes the table does the same.
_REFUSE = """
CREATE FUNCTION oauth_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'oauth_audit is append-only'; END $$
"""
_NO_CHANGE = """
CREATE TRIGGER oauth_audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON oauth_audit
FOR EACH STATEMENT EXECUTE FUNCTION oauth_audit_refuse()
"""
_NO_VERB = """
CREATE TRIGGER oauth_audit_no_{0} BEFORE {0} ON oauth_audit
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only'); END
"""
# REPLACE deletes a row without asking the triggers of DELETE. A row that is given no id has -1 here.
_NO_REPLACE = """
CREATE TRIGGER oauth_audit_no_replace BEFORE INSERT ON oauth_audit
WHEN NEW.audit_id <> -1 AND EXISTS (SELECT 1 FROM oauth_audit WHERE audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'oauth_audit is append-only'); END
"""
GUARDS: Final = {
    "sqlite": (_NO_VERB.format("update"), _NO_VERB.format("delete"), _NO_REPLACE),
    "postgresql": (_REFUSE, _NO_CHANGE),
}
