"""Obtaining tokens as a client. Imports neither Pyramid nor click nor rich."""
