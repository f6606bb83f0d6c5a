"""What all endpoints do with requests and responses: parameters, answers, errors, CORS, limits."""
