"""Signing a user in: through the browser of this machine, another device, or a pasted address."""
