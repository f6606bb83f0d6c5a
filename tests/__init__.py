"""The suite. Each folder mirrors a room of the house."""
