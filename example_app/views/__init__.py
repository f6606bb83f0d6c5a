"""The views: one file a resource."""
