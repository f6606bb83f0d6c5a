"""An authorization server for programs, and an API that it guards, in one process.

Put your own application in its place.
"""

from pyramid.authorization import Allow
from pyramid.config import Configurator


class Root:
    """Who may do what: Prometheus may read the metrics."""

    __acl__ = ((Allow, "scope:metrics:read", "oauthguard.metrics"),)

    def __init__(self, request):
        pass


def list_orders(request):
    return {"orders": [], "client": request.access_token.client_id}


def main(global_config, **settings):
    with Configurator(settings=settings, root_factory=Root) as config:
        config.include("pyramid_oauthguard.server")
        config.include("pyramid_oauthguard")
        config.include("pyramid_oauthguard.metrics")
        config.add_route("orders", "/orders")
        config.add_view(
            list_orders,
            route_name="orders",
            renderer="json",
            token_check="remote",
            token_require="orders:read",
        )
        return config.make_wsgi_app()
