"""What a check of the configuration says about keys, views and remedies."""
