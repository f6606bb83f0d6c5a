"""The mark on a view: how its token is checked, and what a mark never does."""

from __future__ import annotations

from itertools import permutations

import pytest
from pyramid.config import Configurator, not_
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError, PredicateMismatch
from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config, view_defaults

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, answer, ask, build_app, find_setting_error, find_status, tell


@pytest.fixture
def issuer():
    return MemoryIssuer()


@pytest.fixture
def revoked(issuer):
    """A token that a local check still takes and a remote one refuses."""
    raw = issuer.mint(scope="read")
    issuer.revoke(raw)
    return raw


def configure_three(config):
    add(config, "/plain", answer("open"), renderer=None)
    add(config, "/local", token_check="local")
    add(config, "/remote", token_check="remote")


def test_each_view_is_checked_as_it_says(issuer, revoked):
    app = build_app(configure_three, issuer)
    assert ask(app, "/local", revoked).json == {"subject": "test-user", "mode": "local"}
    assert issuer.calls["introspect"] == 0
    assert find_status(app, "/remote", revoked) == 401
    good = issuer.mint(sub="ada")
    assert ask(app, "/remote", good).json == {"subject": "ada", "mode": "remote"}
    assert issuer.calls["introspect"] == 2


@pytest.mark.parametrize("header", ["Bearer", "Bearer x y", "Bearer not-a-token", "", "Basic eA=="])
def test_a_view_without_a_mark_never_looks_at_the_token(issuer, header):
    app = build_app(configure_three, issuer)
    response = ask(app, "/plain", Authorization=header)
    assert response.text == "open"
    assert "Vary" not in response.headers
    assert "Cache-Control" not in response.headers
    assert not issuer.calls


def test_a_view_that_names_no_mode_is_checked_in_the_default_one(issuer, revoked):
    def configure(config):
        add(config, "/scoped", token_require="read")
        add(config, "/permitted", permission="read")
        add(config, "/local", token_check="local", permission="read")

    app = build_app(configure, issuer, settings={"oauthguard.token_check": "remote"})
    good = issuer.mint(scope="read")
    # A view can't ask for less than the application's default: the mode only gets stricter.
    for path in "/scoped", "/permitted", "/local":
        assert find_status(app, path, revoked) == 401
        assert ask(app, path, good).json["mode"] == "remote"
    app = build_app(configure, issuer)
    for path in "/scoped", "/permitted", "/local":
        assert ask(app, path, revoked).json["mode"] == "local"


# ── the predicate marks and does nothing else ────────────────────────────────────────────────────────────────────


def test_views_that_differ_only_in_token_check_are_a_conflict():
    def configure(config):
        add(config, "/here", token_check="local")
        add(config, "/here", token_check="remote")

    with pytest.raises(ConfigurationConflictError):
        build_app(configure)


def test_a_marked_and_an_unmarked_view_of_one_place_are_a_conflict():
    def configure(config):
        add(config, "/here", token_check="remote")
        add(config, "/here")

    with pytest.raises(ConfigurationConflictError):
        build_app(configure)


@pytest.mark.promise("GD-15")
def test_an_application_that_overrides_a_view_with_a_stricter_one_gets_the_stricter_one(issuer, revoked):
    def included(config):
        add(config, "/here", token_check="local")

    def configure(config):
        config.include(included)
        add(config, "/here", token_check="remote")

    app = build_app(configure, issuer)
    assert find_status(app, "/here", revoked) == 401
    assert ask(app, "/here", issuer.mint()).json["mode"] == "remote"


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("modes", list(permutations(["local", "remote"])))
def test_a_view_registered_later_replaces_the_one_before(issuer, revoked, modes):
    """After a commit there is no conflict: the second must take the first one's place, not stand beside it."""

    def configure(config):
        for mode in modes:
            add(config, "/here", token_check=mode)
            config.commit()

    app = build_app(configure, issuer)
    assert find_status(app, "/here", revoked) == (401 if modes[-1] == "remote" else 200)
    assert find_status(app, "/here") == 401


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("options", [{"token_check": "remote"}, {"token_require": "read"}, {"permission": "read"}])
@pytest.mark.parametrize("order", [("open", "guarded"), ("guarded", "open"), ("guarded", "open", "guarded")])
def test_an_open_view_that_would_answer_for_a_guarded_one_stops_start_up(options, order):
    """Pyramid keeps both when a commit lies between them, and finds the open one first, whichever came last."""

    def configure(config):
        for each in order:
            add(config, "/here", **(options if each == "guarded" else {"view": answer("open")}))
            config.commit()

    error = find_setting_error(lambda: build_app(configure))
    assert str(error).startswith("tests.guard.guarding.tell: ")


@pytest.mark.parametrize("value", ["Remote", "", " local", "both", True, 1, ("local",), b"local", object()])
def test_a_wrong_mode_stops_start_up(value):
    error = find_setting_error(lambda: build_app(lambda config: add(config, "/here", token_check=value)))
    assert str(error).startswith("token_check: must be one of local, remote, userinfo, not ")


@pytest.mark.parametrize("value", [not_("local"), not_("remote"), not_("nonsense"), not_(None), not_(not_("remote"))])
def test_a_negated_mode_stops_start_up(value):
    error = find_setting_error(lambda: build_app(lambda config: add(config, "/here", token_check=value)))
    assert error.key == "token_check"


def test_a_mark_neither_hides_a_view_nor_serves_the_next_one(issuer):
    def configure(config):
        add(config, "/here", answer("guarded"), token_check="remote", request_method="GET")
        add(config, "/here", answer("open"))

    app = build_app(configure, issuer)
    response = ask(app, "/here")
    assert response.status_int == 401
    assert "open" not in response.text
    assert ask(app, "/here", method="POST").text == "open"


# ── MultiView ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("order", list(permutations(["local", "remote", "plain"])), ids="-".join)
def test_each_view_of_a_multiview_keeps_its_own_check(issuer, revoked, order):
    def configure(config):
        for name in order:
            mode = None if name == "plain" else name
            add(config, "/here", token_check=mode, request_param=f"want={name}")

    app = build_app(configure, issuer)
    for _again in range(2):
        assert find_status(app, "/here?want=plain") == 200
        assert find_status(app, "/here?want=local") == 401
        assert find_status(app, "/here?want=remote") == 401
        assert ask(app, "/here?want=local", revoked).json["mode"] == "local"
        assert find_status(app, "/here?want=remote", revoked) == 401
        assert ask(app, "/here?want=remote", issuer.mint()).json["mode"] == "remote"
    assert find_status(app, "/here?want=nothing", revoked) == 404


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("marked_first", [True, False])
def test_a_view_with_nothing_but_a_mark_has_the_same_rank_whenever_it_was_registered(issuer, revoked, marked_first):
    def configure(config):
        views = [{"token_check": "remote"}, {"token_require": "read", "request_param": "want"}]
        for options in views if marked_first else reversed(views):
            add(config, "/here", **options)

    app = build_app(configure, issuer)
    assert find_status(app, "/here?want=1", revoked) == 401
    assert ask(app, "/here?want=1", issuer.mint(scope="read")).json["mode"] == "remote"


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
def test_views_chosen_by_accept_keep_their_own_check(issuer, revoked, accept):
    def configure(config):
        add(config, "/here", token_check="local", accept="text/plain")
        add(config, "/here", token_check="remote", accept="application/json")

    app = build_app(configure, issuer)
    expected = {"text/plain": 200, "application/json": 401}[accept]
    assert find_status(app, "/here", revoked, Accept=accept) == expected


def mismatch(context, request):
    raise PredicateMismatch("this view after all not")


def build_mismatching(issuer, first, second):
    """Two views of one place; the first, which has more predicates, declines when it is already running."""

    def configure(config):
        config.add_route("here", "/here")
        config.add_view(mismatch, route_name="here", request_param="go", **first)
        config.add_view(tell, route_name="here", renderer="json", **second)

    return build_app(configure, issuer)


@pytest.mark.promise("GD-15")
def test_a_local_view_that_declines_does_not_soften_the_remote_one_after_it(issuer, revoked):
    app = build_mismatching(issuer, {"token_check": "local"}, {"token_check": "remote"})
    assert find_status(app, "/here?go", revoked) == 401
    assert ask(app, "/here?go", issuer.mint()).json["mode"] == "remote"


@pytest.mark.promise("GD-15")
def test_an_open_view_that_declines_does_not_open_the_guarded_one_after_it(issuer, revoked):
    app = build_mismatching(issuer, {}, {"token_check": "remote"})
    assert find_status(app, "/here?go") == 401
    assert find_status(app, "/here?go", revoked) == 401


@pytest.mark.promise("GD-15")
def test_the_mode_never_falls_after_a_remote_view_declined(issuer, revoked):
    app = build_mismatching(issuer, {"token_check": "remote"}, {"token_check": "local"})
    assert find_status(app, "/here?go", revoked) == 401
    assert ask(app, "/here?go", issuer.mint()).json["mode"] == "remote"
    assert ask(app, "/here", revoked).json["mode"] == "local"


def test_a_guarded_view_that_always_declines_is_not_found(issuer):
    app = build_mismatching(issuer, {"token_check": "local"}, {"token_check": "local", "request_param": "other"})
    assert find_status(app, "/here?go", issuer.mint()) == 404


# ── traversal, inheritance of contexts ───────────────────────────────────────────────────────────────────────────


class Animal:
    __name__ = __parent__ = None


class Dog(Animal):
    pass


TREE = {"animal": Animal(), "dog": Dog()}


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize(("general", "special"), [("local", "remote"), ("remote", "local")])
def test_a_view_of_a_special_context_keeps_its_own_check(issuer, revoked, general, special):
    def configure(config):
        config.add_view(tell, context=Animal, renderer="json", token_check=general)
        config.add_view(tell, context=Dog, renderer="json", token_check=special)

    app = build_app(configure, issuer, root_factory=lambda request: TREE)
    expected = {"local": 200, "remote": 401}
    assert find_status(app, "/animal", revoked) == expected[general]
    assert find_status(app, "/dog", revoked) == expected[special]


@pytest.mark.promise("GD-15")
@pytest.mark.parametrize("special", ["local", None])
def test_the_view_of_the_general_context_that_answers_instead_keeps_its_own_check(issuer, revoked, special):
    def configure(config):
        config.add_view(tell, context=Animal, renderer="json", token_check="remote")
        config.add_view(tell, context=Dog, renderer="json", token_check=special, request_param="bark")

    app = build_app(configure, issuer, root_factory=lambda request: TREE)
    assert find_status(app, "/dog?bark", revoked) == 200
    assert find_status(app, "/dog", revoked) == 401


@pytest.mark.promise("GD-15")
def test_a_special_view_that_declines_leaves_the_general_one_its_check(issuer, revoked):
    def configure(config):
        config.add_view(tell, context=Animal, renderer="json", token_check="remote")
        config.add_view(mismatch, context=Dog, token_check="local")

    app = build_app(configure, issuer, root_factory=lambda request: TREE)
    assert find_status(app, "/dog", revoked) == 401
    assert ask(app, "/dog", issuer.mint()).json["mode"] == "remote"


# ── where marks are written ──────────────────────────────────────────────────────────────────────────────────────


@view_defaults(route_name="class", renderer="json", token_check="remote")
class Views:
    def __init__(self, request):
        self.request = request

    @view_config(request_method="GET")
    def get(self):
        return tell(self.request)

    @view_config(request_method="POST", token_check="local")
    def post(self):
        return tell(self.request)

    @view_config(request_method="PUT", token_check=None)
    def put(self):
        return {"open": True}

    @view_config(request_method="DELETE", token_require="delete")
    def delete(self):
        return tell(self.request)


@view_config(route_name="function", renderer="json", token_check="local", token_require="read")
@view_config(route_name="other", renderer="json", token_check="remote")
def function(request):
    return tell(request)


def scan_these(config):
    for name in "class", "function", "other":
        config.add_route(name, f"/{name}")
    config.scan(__name__)


def test_a_class_of_views_has_defaults_that_its_methods_overrule(issuer, revoked):
    app = build_app(scan_these, issuer)
    assert find_status(app, "/class", revoked) == 401
    assert ask(app, "/class", issuer.mint()).json["mode"] == "remote"
    assert ask(app, "/class", revoked, "POST").json["mode"] == "local"
    assert ask(app, "/class", method="PUT").json == {"open": True}
    assert ask(app, "/class", issuer.mint(), "DELETE").status_int == 403
    assert ask(app, "/class", issuer.mint(scope="delete"), "DELETE").json["mode"] == "remote"


def test_a_decorated_function_keeps_one_check_a_decorator(issuer, revoked):
    app = build_app(scan_these, issuer)
    assert ask(app, "/function", revoked).json["mode"] == "local"
    assert find_status(app, "/function", issuer.mint()) == 403
    assert find_status(app, "/other", revoked) == 401


def test_a_notfound_view_may_be_marked(issuer, revoked):
    def configure(config):
        config.add_notfound_view(lambda request: HTTPNotFound("only for friends"), token_check="remote")

    app = build_app(configure, issuer)
    assert find_status(app, "/nowhere") == 401
    assert find_status(app, "/nowhere", revoked) == 401
    assert find_status(app, "/nowhere", issuer.mint()) == 404


def test_a_static_view_may_be_guarded(issuer, tmp_path):
    (tmp_path / "file.txt").write_text("hello")

    def configure(config):
        config.add_static_view("open", str(tmp_path))
        config.add_static_view("closed", str(tmp_path), permission="read")

    app = build_app(configure, issuer)
    assert ask(app, "/open/file.txt", Authorization="Bearer x y").text == "hello"
    assert find_status(app, "/closed/file.txt") == 401
    assert ask(app, "/closed/file.txt", issuer.mint(scope="read")).text == "hello"


def test_a_marked_view_does_not_start_without_the_guard():
    config = Configurator()
    config.add_view(tell, name="here", token_check="remote")
    with pytest.raises(ConfigurationError, match="token_check"):
        config.make_wsgi_app()
