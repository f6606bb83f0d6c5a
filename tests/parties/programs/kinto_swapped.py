"""A plug-in of pytest for Kinto's own tests: they get the policy of our page in place of Kinto's."""

import kinto.plugins.openid as plugin
from kinto_oauthguard import GuardedOpenIDConnectPolicy

plugin.OpenIDConnectPolicy = GuardedOpenIDConnectPolicy
