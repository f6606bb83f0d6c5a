"""What browsers ask before they let a page call the API (Fetch, CORS)."""
