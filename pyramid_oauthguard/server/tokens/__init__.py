"""The state of tokens: status, revocation, pruning."""
