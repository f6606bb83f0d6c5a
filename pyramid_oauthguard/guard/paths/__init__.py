"""Policies by path: which of them answers for which requests."""
