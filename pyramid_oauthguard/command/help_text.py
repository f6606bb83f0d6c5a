"""The beginning and the long end of ``--help``: first steps, environment, exit statuses."""

from __future__ import annotations

from typing import Final

__all__ = ["EPILOG", "START"]

START: Final = """\
Start here:
  oauthguard login                     sign in; it asks for what it needs
  oauthguard call GET URL              send a request with the token
  oauthguard inspect                   what the token says, and whether it is good
  oauthguard check INI                 is the configuration of my API right?
  oauthguard explain INI < token.txt   why does my API refuse this token?
  oauthguard VERB --help               options and examples of a verb;
                                       login has those of Okta, Auth0 and others
"""

EPILOG: Final = """\
Options come from flags, then the environment, then .env in the working
directory, then the profile. Secrets and tokens come from the environment,
a file, standard input or the keyring, never from a flag. An issuer that only
.env names receives only what is in the same .env.

Environment:
  OAUTHGUARD_ISSUER, OAUTHGUARD_CLIENT_ID, OAUTHGUARD_CLIENT_SECRET,
  OAUTHGUARD_CLIENT_SECRET_FILE, OAUTHGUARD_SCOPE, OAUTHGUARD_AUDIENCE,
  OAUTHGUARD_RESOURCE, OAUTHGUARD_AUTH_METHOD, OAUTHGUARD_CA_FILE
  OAUTHGUARD_TOKEN    the token to use instead of the login's
  OAUTHGUARD_PROFILE  the login to use
  OAUTHGUARD_HOME     where logins are stored; a folder of mode 0700
  NO_COLOR            no colours

Exit status:
  0 ok                      4 timeout
  1 usage or configuration  5 token inactive or refused
  2 the server refused      6 network
  3 the user denied

Examples:
  The example application (pserve development.ini):
    export OAUTHGUARD_ISSUER=http://localhost:6543
    oauthguard login --client-id customer-cli --scope customer_api
    oauthguard call GET http://localhost:6543/customers
    oauthguard logout

    export OAUTHGUARD_CLIENT_ID=customer-manager
    export OAUTHGUARD_CLIENT_SECRET=customer-manager-secret
    oauthguard token --scope customer_api | oauthguard inspect -
    oauthguard token | oauthguard revoke -
"""
