"""The tests. Each folder is for one package of the distribution, or for what several packages do together."""
