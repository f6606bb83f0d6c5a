"""The guard listens to nothing while requests are handled: Pyramid notifies of each request where anything listens."""

from __future__ import annotations

import pytest
from pyramid.events import ApplicationCreated, NewRequest
from pyramid.interfaces import IApplicationCreated

from tests.guard.guarding import add, build_app, find_status


def test_nothing_listens_to_requests():
    app = build_app(lambda config: add(config, "/", token_check="local"))
    assert app.app.registry.has_listeners is False
    assert list(app.app.registry.registeredHandlers()) == []


@pytest.mark.parametrize("early", [True, False])
def test_what_the_application_listens_to_is_heard(early):
    heard = []

    def configure(config):
        config.add_subscriber(lambda event: heard.append("created"), ApplicationCreated)
        config.add_subscriber(lambda event: heard.append("request"), NewRequest)
        add(config, "/", token_check="local")
        if early:
            config.commit()

    app = build_app(configure)
    assert find_status(app, "/") == 401
    assert heard == ["created", "request"]


def test_a_listener_that_is_registered_later_is_heard():
    heard = []
    app = build_app(lambda config: add(config, "/", token_check="local"))
    app.app.registry.registerHandler(heard.append, (IApplicationCreated,))
    app.app.registry.notify(ApplicationCreated(app.app))
    assert len(heard) == 1
