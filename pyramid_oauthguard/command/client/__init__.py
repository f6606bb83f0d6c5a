"""The verbs for a client, one module each; ``verbs`` loads each by its name."""
