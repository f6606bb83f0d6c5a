"""How users allow a client's request: requests, consents, pages."""
