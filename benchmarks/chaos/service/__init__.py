"""A whole service under load, with one disturbance after the other: ``python -m benchmarks.chaos.service``."""
