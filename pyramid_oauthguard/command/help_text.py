"""The long end of ``--help``: environment, exit statuses, examples."""

from __future__ import annotations

from typing import Final

__all__ = ["EPILOG"]

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

  Okta (a native application with device authorization, or with the
  redirect URI below):
    oauthguard login --issuer https://ID.okta.com/oauth2/default \\
      --client-id ID --scope 'openid offline_access' \\
      --redirect-uri http://127.0.0.1:8765/callback

  Auth0 (a native application; the API's identifier is the audience):
    oauthguard login --issuer https://TENANT.auth0.com/ --client-id ID \\
      --audience https://api.example.com --scope 'openid offline_access' \\
      --redirect-uri http://127.0.0.1:8765/callback

  Keycloak (a public client with the redirect URI http://127.0.0.1/*):
    oauthguard login --issuer https://HOST/realms/REALM --client-id ID

  WSO2 Identity Server (a confidential client):
    oauthguard token --issuer https://HOST:9443/oauth2/token \\
      --client-id ID --client-secret-file secret.txt --ca-file wso2.pem
"""
