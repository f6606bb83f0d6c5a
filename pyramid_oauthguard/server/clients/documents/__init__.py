"""Client ID metadata documents: the ``client_id`` is the https URL of a document in which a client describes itself."""
