"""What a user is asked and answered: requests, consents, pages."""
