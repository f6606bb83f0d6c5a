"""Assertions of other issuers about users (RFC 7523 section 2.1)."""
