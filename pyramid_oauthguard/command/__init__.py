"""The ``oauthguard`` command."""
