"""What gunicorn loads: the application of the file OAUTHGUARD_INI, behind one proxy."""

import os

from pyramid.paster import get_app, setup_logging
from werkzeug.middleware.proxy_fix import ProxyFix

ini = os.environ["OAUTHGUARD_INI"]
setup_logging(ini)
#: The proxy writes the address of the caller and the scheme. x_host stays off: the host name
#: comes from the setting of the issuer.
application = ProxyFix(get_app(ini), x_for=1, x_proto=1)
