"""The secrets of clients."""
