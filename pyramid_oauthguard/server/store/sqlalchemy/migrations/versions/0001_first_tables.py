"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

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
_GUARDS = {
    "sqlite": (_NO_VERB.format("update"), _NO_VERB.format("delete"), _NO_REPLACE),
    "postgresql": (_REFUSE, _NO_CHANGE),
}


def upgrade() -> None:
    """Make every table. Triggers keep every line of the audit trail unchanged."""
    op.create_table(
        "oauth_assertions",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_assertions")),
    )
    op.create_index(op.f("ix_oauth_assertions_expires_at"), "oauth_assertions", ["expires_at"], unique=False)
    op.create_table(
        "oauth_audit",
        sa.Column("audit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("client_id", sa.String(length=255), nullable=True),
        sa.Column("grant_id", sa.String(length=64), nullable=True),
        sa.Column("token_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=255), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_oauth_audit")),
    )
    op.create_index(op.f("ix_oauth_audit_at"), "oauth_audit", ["at"], unique=False)
    op.create_table(
        "oauth_clients",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("grants", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("jwks", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_oauth_clients")),
    )
    op.create_table(
        "oauth_device_tries",
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_oauth_device_tries")),
    )
    op.create_index(op.f("ix_oauth_device_tries_since"), "oauth_device_tries", ["since"], unique=False)
    op.create_table(
        "oauth_signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("private_box", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("active_from", sa.Double(), nullable=False),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_oauth_signing_keys")),
        sa.UniqueConstraint("number", name=op.f("uq_oauth_signing_keys_number")),
    )
    op.create_table(
        "oauth_client_secrets",
        sa.Column("secret_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.client_id"], name=op.f("fk_oauth_client_secrets_client_id")
        ),
        sa.PrimaryKeyConstraint("secret_id", name=op.f("pk_oauth_client_secrets")),
    )
    op.create_index(op.f("ix_oauth_client_secrets_client_id"), "oauth_client_secrets", ["client_id"], unique=False)
    op.create_table(
        "oauth_consents",
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("allowed_at", sa.Double(), nullable=False),
        sa.Column("withdrawn_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["oauth_clients.client_id"], name=op.f("fk_oauth_consents_client_id")),
        sa.PrimaryKeyConstraint("consent_id", name=op.f("pk_oauth_consents")),
    )
    op.create_index("ix_oauth_consents_subject_client", "oauth_consents", ["subject", "client_id"], unique=False)
    op.create_table(
        "oauth_grants",
        sa.Column("grant_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("auth_time", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["oauth_clients.client_id"], name=op.f("fk_oauth_grants_client_id")),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_oauth_grants")),
    )
    op.create_index("ix_oauth_grants_subject_client", "oauth_grants", ["subject", "client_id"], unique=False)
    op.create_table(
        "oauth_access_tokens",
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.client_id"], name=op.f("fk_oauth_access_tokens_client_id")
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grants.grant_id"], name=op.f("fk_oauth_access_tokens_grant_id")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_oauth_access_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_oauth_access_tokens_hash")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_oauth_access_tokens_expires_at"), "oauth_access_tokens", ["expires_at"], unique=False)
    op.create_index(op.f("ix_oauth_access_tokens_grant_id"), "oauth_access_tokens", ["grant_id"], unique=False)
    op.create_table(
        "oauth_codes",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=True),
        sa.Column("code_challenge", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grants.grant_id"], name=op.f("fk_oauth_codes_grant_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_codes")),
    )
    op.create_index(op.f("ix_oauth_codes_expires_at"), "oauth_codes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_oauth_codes_grant_id"), "oauth_codes", ["grant_id"], unique=False)
    op.create_table(
        "oauth_device_codes",
        sa.Column("device_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("interval", sa.Double(), nullable=False),
        sa.Column("polled_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.CheckConstraint("status in ('pending', 'approved', 'denied')", name=op.f("ck_oauth_device_codes_status")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.client_id"], name=op.f("fk_oauth_device_codes_client_id")
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grants.grant_id"], name=op.f("fk_oauth_device_codes_grant_id")),
        sa.PrimaryKeyConstraint("device_hash", name=op.f("pk_oauth_device_codes")),
        sa.UniqueConstraint("user_hash", name=op.f("uq_oauth_device_codes_user_hash")),
    )
    op.create_index(op.f("ix_oauth_device_codes_expires_at"), "oauth_device_codes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_oauth_device_codes_grant_id"), "oauth_device_codes", ["grant_id"], unique=False)
    op.create_table(
        "oauth_refresh_tokens",
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("successor_id", sa.String(length=64), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grants.grant_id"], name=op.f("fk_oauth_refresh_tokens_grant_id")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_oauth_refresh_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_oauth_refresh_tokens_hash")),
    )
    op.create_index(op.f("ix_oauth_refresh_tokens_expires_at"), "oauth_refresh_tokens", ["expires_at"], unique=False)
    op.create_index(op.f("ix_oauth_refresh_tokens_grant_id"), "oauth_refresh_tokens", ["grant_id"], unique=False)
    for statement in _GUARDS.get(op.get_context().dialect.name, ()):
        op.execute(statement)


def downgrade() -> None:
    """Remove every table, with all that is in them."""
    op.drop_table("oauth_refresh_tokens")
    op.drop_table("oauth_device_codes")
    op.drop_table("oauth_codes")
    op.drop_table("oauth_access_tokens")
    op.drop_table("oauth_grants")
    op.drop_table("oauth_consents")
    op.drop_table("oauth_client_secrets")
    op.drop_table("oauth_signing_keys")
    op.drop_table("oauth_device_tries")
    op.drop_table("oauth_clients")
    op.drop_table("oauth_audit")
    op.drop_table("oauth_assertions")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION oauth_audit_refuse()")
