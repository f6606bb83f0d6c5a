"""Programs that obtain tokens: the ``oauthguard`` command and the rooms behind it. Imports no Pyramid."""
