"""The scripts behind each figure that the documentation names: ``python -m benchmarks --help``."""
