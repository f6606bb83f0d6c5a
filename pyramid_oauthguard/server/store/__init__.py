"""What an authorization server keeps: its records, the contract of a store, and the store on SQLAlchemy."""
