"""Where a request carries a token."""
