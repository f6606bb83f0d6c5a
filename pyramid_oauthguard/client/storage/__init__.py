"""What the command keeps on disk and in the keyring: profiles, tokens, secrets."""
