"""The tour: the calls of the walk-through, made in this process, with the real requests and the real answers."""
