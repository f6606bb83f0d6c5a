"""Keys of clients that are not in their registration as a key set: fetched, or shared with the client."""
