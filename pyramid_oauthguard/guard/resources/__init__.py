"""Protected resources: which one a request is for, and what a token of it must have."""
