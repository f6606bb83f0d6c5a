"""The settings that say where an issuer is and how it is reached. The guard has them for each issuer of tokens, the authorization
server for each issuer of assertions."""
