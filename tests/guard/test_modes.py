"""A remote view never accepts a token that only a local check accepts, in any order of requests and by any way to the view."""

from __future__ import annotations

import pytest
import transaction
from pyramid.events import BeforeTraversal, ContextFound, NewRequest, NewResponse
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import view_execution_permitted
from pyramid.view import render_view, render_view_to_response

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from tests.guard.guarding import Root, add, answer, ask, build_app, find_status, tell

pytestmark = pytest.mark.promise("GD-15")


@pytest.fixture
def issuer():
    return MemoryIssuer()


@pytest.fixture
def revoked(issuer):
    """A token that a local check still takes and a remote one refuses."""
    raw = issuer.mint(scope="read write", sub="ada")
    issuer.revoke(raw)
    return raw


def add_both(config):
    add(config, "/local", token_check="local")
    add(config, "/remote", token_check="remote")
    add(config, "/remote-permitted", token_check="remote", permission="read")
    add(config, "/open")


REMOTE = ("/remote", "/remote-permitted")


def check_remote_views(app, issuer, revoked):
    """They refuse the revoked token and take a good one."""
    for path in REMOTE:
        response = ask(app, path, revoked)
        assert response.status_int == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
        good = ask(app, path, issuer.mint(scope="read"))
        assert (good.status_int, good.json["mode"]) == (200, "remote")
    assert ask(app, "/local", revoked).json["mode"] == "local"


# ── who asks before the view is found ────────────────────────────────────────────────────────────────────────────


def remember_first_answer(seen):
    def subscribe(event):
        seen.append((event.request.authenticated_userid, event.request.identity and event.request.identity.mode))

    return subscribe


@pytest.mark.parametrize("event", [NewRequest, BeforeTraversal, ContextFound])
def test_a_subscriber_that_asks_first_decides_nothing_later(issuer, revoked, event):
    seen = []

    def configure(config):
        add_both(config)
        config.add_subscriber(remember_first_answer(seen), event)

    app = build_app(configure, issuer)
    check_remote_views(app, issuer, revoked)
    assert ("ada", "local") in seen


def test_a_root_factory_that_asks_first_decides_nothing_later(issuer, revoked):
    class Asking(Root):
        def __init__(self, request):
            assert request.identity is not None
            assert request.access_token is request.identity

    app = build_app(add_both, issuer, root_factory=Asking)
    check_remote_views(app, issuer, revoked)


def test_is_authenticated_asks_first_and_decides_nothing_later(issuer, revoked):
    def configure(config):
        add(config, "/remote", answer("for strangers"), renderer=None, is_authenticated=False)
        add(config, "/remote", token_check="remote", is_authenticated=True)
        add(config, "/remote-permitted", token_check="remote", permission="read", is_authenticated=True)
        add(config, "/local", token_check="local")

    app = build_app(configure, issuer)
    check_remote_views(app, issuer, revoked)
    assert ask(app, "/remote").text == "for strangers"


@pytest.mark.parametrize("asked", ["is_authenticated", "authenticated_userid", "access_token", "identity"])
def test_a_view_predicate_that_asks_first_decides_nothing_later(issuer, revoked, asked):
    class Asks:
        def __init__(self, value, info):
            self.text = self.phash = lambda: f"asks = {value}"

        def __call__(self, context, request):
            return bool(getattr(request, asked))

    def configure(config):
        config.add_view_predicate("asks", Asks, weighs_less_than="token_check")
        add(config, "/remote", token_check="remote", asks=True)
        add(config, "/remote-permitted", token_check="remote", permission="read", asks=True)
        add(config, "/local", token_check="local", asks=True)

    app = build_app(configure, issuer)
    check_remote_views(app, issuer, revoked)


def test_pyramid_tm_that_annotates_the_user_decides_nothing_later(issuer, revoked):
    users = []

    def remember(request):
        users.append(request.tm.get().user)
        return tell(request)

    def configure(config):
        config.include("pyramid_tm")
        add(config, "/local", remember, token_check="local")
        add(config, "/remote", remember, token_check="remote")
        add(config, "/remote-permitted", remember, token_check="remote", permission="read")

    settings = {"tm.manager_hook": "pyramid_tm.explicit_manager", "tm.annotate_user": "true"}
    app = build_app(configure, issuer, settings=settings)
    check_remote_views(app, issuer, revoked)
    assert "ada" in users  # pyramid_tm did ask
    transaction.abort()


class FirstAsker:
    """A tween above the exception views, where nothing would catch what identity raised."""

    def __init__(self, handler, registry):
        self.handler = handler

    def __call__(self, request):
        said = (request.identity, request.authenticated_userid, request.access_token, request.is_authenticated)
        response = self.handler(request)
        response.headers["Tween-Saw"] = ",".join("nobody" if not each else "somebody" for each in said)
        return response


def add_first_asker(config):
    add_both(config)
    config.add_tween(f"{__name__}.FirstAsker")


def test_a_tween_above_the_exception_views_decides_nothing_later(issuer, revoked):
    app = build_app(add_first_asker, issuer)
    check_remote_views(app, issuer, revoked)
    assert ask(app, "/open", revoked).headers["Tween-Saw"] == "somebody,somebody,somebody,somebody"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer a b", "Bearer a, Bearer b", "Bearer x.y.z", "Basic eA=="]
)
def test_identity_never_raises(issuer, header):
    app = build_app(add_first_asker, issuer)
    headers = {} if header is None else {"Authorization": header}
    response = ask(app, "/open", **headers)
    assert response.status_int == 200
    assert response.headers["Tween-Saw"] == "nobody,nobody,nobody,nobody"


def test_identity_does_not_raise_while_the_issuer_is_down(issuer):
    app = build_app(add_first_asker, issuer)
    with issuer.outage():
        assert ask(app, "/open", issuer.mint()).headers["Tween-Saw"] == "nobody,nobody,nobody,nobody"
        assert find_status(app, "/local", issuer.mint()) == 503


@pytest.mark.promise("GD-20")
def test_remote_views_say_503_while_introspection_is_down(issuer, revoked):
    app = build_app(add_first_asker, issuer)
    assert find_status(app, "/local", revoked) == 200
    with issuer.outage():
        for path in REMOTE:
            response = ask(app, path, issuer.mint(scope="read"))
            assert response.status_int == 503
            assert int(response.headers["Retry-After"]) > 0
            assert "WWW-Authenticate" not in response.headers


# ── how else a view is reached ───────────────────────────────────────────────────────────────────────────────────


def test_a_view_that_is_rendered_by_another_is_checked_in_its_own_mode(issuer, revoked):
    """Also with secure=False, which leaves out permissions; the mark stays."""

    def configure(config):
        config.add_view(tell, name="remote", context=Root, renderer="json", token_check="remote")
        config.add_view(tell, name="scoped", context=Root, renderer="json", token_require="admin")
        config.add_view(tell, name="both", context=Root, renderer="json", token_check="remote", permission="read")
        config.add_view(tell, name="permitted", context=Root, renderer="json", permission="nobody has it")
        for secure in True, False:
            for name in "remote", "scoped", "both", "permitted":

                def render(context, request, name=name, secure=secure):
                    return Response(render_view(context, request, name, secure=secure), content_type="application/json")

                config.add_view(render, name=f"{name}-{secure}", context=Root, token_check="local")

    app = build_app(configure, issuer)
    good = issuer.mint(scope="read")
    for secure in True, False:
        for name in "remote", "both":
            assert find_status(app, f"/{name}-{secure}", revoked) == 401
            assert ask(app, f"/{name}-{secure}", good).json["mode"] == "remote"
        assert find_status(app, f"/scoped-{secure}", good) == 403
        assert find_status(app, f"/scoped-{secure}", issuer.mint(scope="admin")) == 200
    assert find_status(app, "/permitted-True", good) == 403
    assert find_status(app, "/permitted-False", good) == 200  # as Pyramid says of secure=False


def test_a_view_without_a_request_of_its_own_is_refused_like_any_other(issuer, revoked):
    def configure(config):
        config.add_view(tell, name="remote", context=Root, renderer="json", token_check="remote")

        def render(context, request):
            return render_view_to_response(context, request, "remote", secure=False)

        config.add_view(render, name="open", context=Root)

    app = build_app(configure, issuer)
    assert find_status(app, "/open") == 401
    assert find_status(app, "/open", revoked) == 401
    assert ask(app, "/open", issuer.mint()).json["mode"] == "remote"


def build_asking(issuer, views, **asked):
    """An application whose view /ask says whether the caller may see the view named `other`, and its own mode after."""

    def ask_about(context, request):
        before = request.access_token and request.access_token.mode
        permitted = bool(view_execution_permitted(context, request, "other"))
        after = request.access_token and request.access_token.mode
        return {"before": before, "permitted": permitted, "after": after}

    def configure(config):
        config.add_view(ask_about, name="ask", context=Root, renderer="json", **asked)
        views(config)

    return build_app(configure, issuer)


@pytest.mark.parametrize("options", [{}, {"permission": "read"}, {"token_require": "read"}])
def test_view_execution_permitted_asks_in_the_other_views_mode_and_leaves_the_present_one(issuer, revoked, options):
    app = build_asking(
        issuer,
        lambda config: config.add_view(
            tell, name="other", context=Root, renderer="json", token_check="remote", **options
        ),
        token_check="local",
    )
    assert ask(app, "/ask", revoked).json == {"before": "local", "permitted": False, "after": "local"}
    assert ask(app, "/ask", issuer.mint(scope="read")).json == {"before": "local", "permitted": True, "after": "local"}
    if options:
        assert ask(app, "/ask", issuer.mint(scope="other")).json["permitted"] is False


def test_view_execution_permitted_is_false_without_a_token(issuer):
    app = build_asking(
        issuer, lambda config: config.add_view(tell, name="other", context=Root, renderer="json", token_check="local")
    )
    assert ask(app, "/ask").json == {"before": None, "permitted": False, "after": None}
    assert ask(app, "/ask", issuer.mint()).json["permitted"] is True


def test_view_execution_permitted_never_asks_less_strictly_than_the_present_mode(issuer, revoked):
    app = build_asking(
        issuer,
        lambda config: config.add_view(tell, name="other", context=Root, renderer="json", token_check="local"),
        token_check="remote",
    )
    assert ask(app, "/ask", issuer.mint()).json == {"before": "remote", "permitted": True, "after": "remote"}


def test_view_execution_permitted_asks_about_the_right_view_of_a_multiview(issuer, revoked):
    def views(config):
        for name, mode in ("a", "local"), ("b", "remote"), ("c", None):
            config.add_view(
                tell, name="other", context=Root, renderer="json", token_check=mode, request_param=f"want={name}"
            )

    app = build_asking(issuer, views)
    expected = {"a": True, "b": False, "c": True}
    for name, permitted in expected.items():
        assert ask(app, f"/ask?want={name}", revoked).json["permitted"] is permitted
    assert ask(app, "/ask?want=c").json["permitted"] is True
    assert ask(app, "/ask?want=a").json["permitted"] is False


def test_view_execution_permitted_during_an_outage_is_false(issuer):
    app = build_asking(
        issuer,
        lambda config: config.add_view(tell, name="other", context=Root, renderer="json", token_check="remote"),
        token_check="local",
    )
    raw = issuer.mint()
    assert ask(app, "/ask", raw).json["permitted"] is True
    with issuer.outage():
        assert ask(app, "/ask", raw).json == {"before": "local", "permitted": False, "after": "local"}


@pytest.fixture
def narrowed(issuer):
    """A token that says more of itself than its issuer now says of it."""
    raw = issuer.mint(scope="read", sub="ada")
    issuer.answer(raw, {"active": True, "scope": "other", "sub": "ada"})
    return raw


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize("options", [{}, {"token_require": "other"}, {"is_authenticated": True}])
def test_a_permission_of_a_remote_view_is_decided_by_what_the_issuer_says_now(issuer, narrowed, options):
    def configure(config):
        add(config, "/local", token_check="local", permission="read")
        add(config, "/remote", token_check="remote", permission="read", **options)

    app = build_app(configure, issuer)
    assert find_status(app, "/local", narrowed) == 200
    assert find_status(app, "/remote", narrowed) == 403


def test_within_a_remote_view_another_views_permission_is_decided_remotely_too(issuer, narrowed):
    def views(config):
        config.add_view(tell, name="other", context=Root, renderer="json", token_check="local", permission="read")

    said = {"before": "remote", "permitted": False, "after": "remote"}
    assert ask(build_asking(issuer, views, token_check="remote"), "/ask", narrowed).json == said
    said = {"before": "local", "permitted": True, "after": "local"}
    assert ask(build_asking(issuer, views, token_check="local"), "/ask", narrowed).json == said


@pytest.mark.promise("GD-20")
def test_an_outage_is_503_in_a_view_that_is_rendered_without_permissions_as_well(issuer):
    """Also where the application's own forbidden view would say something else."""

    def configure(config):
        config.add_view(tell, name="remote", context=Root, renderer="json", token_check="remote")
        config.add_view(
            lambda context, request: render_view_to_response(context, request, "remote", secure=False),
            name="open",
            context=Root,
        )
        config.add_forbidden_view(lambda error, request: Response("sign in", status=401))

    app = build_app(configure, issuer)
    assert find_status(app, "/open") == 401
    with issuer.outage():
        assert find_status(app, "/open", issuer.mint()) == 503


# ── one request within another ───────────────────────────────────────────────────────────────────────────────────


def build_nesting(issuer, *, use_tweens, pass_token):
    def configure(config):
        add_both(config)

        def nest(request):
            inner = Request.blank(request.params["path"])
            if pass_token:
                inner.headers["Authorization"] = request.headers["Authorization"]
            response = request.invoke_subrequest(inner, use_tweens=use_tweens)
            return {"inner": response.status_int, "text": response.text, **tell(request)}

        add(config, "/nest", nest, token_check="local")
        add(config, "/nest-remotely", nest, token_check="remote")

    return build_app(configure, issuer)


def test_a_subrequest_is_checked_on_its_own(issuer, revoked):
    app = build_nesting(issuer, use_tweens=True, pass_token=True)
    assert ask(app, "/nest?path=/remote", revoked).json["inner"] == 401
    assert ask(app, "/nest?path=/local", revoked).json["inner"] == 200
    response = ask(app, "/nest?path=/remote", issuer.mint()).json
    assert (response["inner"], response["mode"]) == (200, "local")  # the outer request keeps its mode
    response = ask(app, "/nest-remotely?path=/local", issuer.mint()).json
    assert '"mode": "local"' in response["text"]
    assert response["mode"] == "remote"


def test_a_subrequest_does_not_inherit_the_token(issuer):
    app = build_nesting(issuer, use_tweens=True, pass_token=False)
    assert ask(app, "/nest?path=/local", issuer.mint()).json["inner"] == 401


@pytest.mark.parametrize("use_tweens", [True, False])
def test_an_open_view_knows_its_caller_in_a_subrequest_too(issuer, use_tweens):
    """`Request.blank` is how Pyramid's documentation makes subrequests; it goes past the request factory."""
    app = build_nesting(issuer, use_tweens=use_tweens, pass_token=True)
    assert '"subject": "ada"' in ask(app, "/nest?path=/open", issuer.mint(sub="ada")).json["text"]
    app = build_nesting(issuer, use_tweens=use_tweens, pass_token=False)
    assert '"subject": null' in ask(app, "/nest?path=/open", issuer.mint(sub="ada")).json["text"]


def test_a_request_that_a_script_hands_to_the_router_is_guarded(issuer, revoked):
    app = build_app(add_both, issuer).app
    for raw, expected in (revoked, 401), (issuer.mint(scope="read"), 200):
        request = Request.blank("/remote-permitted", headers=bearer(raw))
        assert app.invoke_subrequest(request, use_tweens=True).status_int == expected


def test_a_refused_subrequest_without_tweens_refuses_the_whole(issuer, revoked):
    app = build_nesting(issuer, use_tweens=False, pass_token=True)
    assert find_status(app, "/nest?path=/remote", revoked) == 401
    assert ask(app, "/nest?path=/remote", issuer.mint()).json["inner"] == 200


# ── once a mode, and never back ──────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_verified_once_a_mode(issuer):
    def ask_often(request):
        return {"modes": [request.access_token.mode for _ in range(5)] + [request.identity.mode]}

    app = build_app(lambda config: add(config, "/often", ask_often, token_check="remote", permission="read"), issuer)
    assert ask(app, "/often", issuer.mint(scope="read")).json["modes"] == ["remote"] * 6
    assert issuer.calls["introspect"] == 1


class CountingVerifier:
    """An application's own verifier, whose word changes from one question to the next."""

    def __init__(self, *words):
        self.words = list(words)
        self.asked = 0

    def verify(self, raw):
        self.asked += 1
        word = self.words.pop(0)
        if isinstance(word, Exception):
            raise word
        return word


def test_a_failure_is_remembered_too(issuer):
    verifier = CountingVerifier(UnavailableError("down"))

    def configure(config):
        config.set_token_verifier("local", verifier)
        config.add_subscriber(lambda event: event.request.identity, NewRequest)
        config.add_subscriber(lambda event: event.request.identity, NewResponse)
        add(config, "/local", token_check="local", permission="read")

    assert find_status(build_app(configure, issuer), "/local", "word") == 503
    assert verifier.asked == 1


def test_responses_are_seen_in_the_strictest_mode(issuer, revoked):
    seen = []

    def configure(config):
        add_both(config)
        config.add_subscriber(lambda event: seen.append(event.request.identity), NewResponse)

    app = build_app(configure, issuer)
    ask(app, "/remote", revoked)
    assert seen == [None]


def test_the_mode_of_one_request_is_not_the_next_ones(issuer, revoked):
    app = build_app(add_both, issuer)
    raw = issuer.mint()
    assert ask(app, "/remote", raw).json["mode"] == "remote"
    assert ask(app, "/local", raw).json["mode"] == "local"
    assert ask(app, "/open", revoked).json["mode"] == "local"


def test_a_mode_is_not_carried_in_the_environment(issuer, revoked):
    """Middleware may run one WSGI environment through the application twice."""
    app = build_app(add_both, issuer)
    request = Request.blank("/remote", headers=bearer(issuer.mint()))
    assert request.get_response(app.app).status_int == 200
    environ = {**request.environ, "HTTP_AUTHORIZATION": f"Bearer {revoked}"}
    assert Request(environ).get_response(app.app).status_int == 401


@pytest.mark.slow
@pytest.mark.parametrize("path", REMOTE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_no_method_softens_a_remote_view(issuer, revoked, path, method):
    app = build_app(add_both, issuer)
    for raw, expected in (revoked, 401), (issuer.mint(scope="read"), 200):
        request = Request.blank(path, method=method, headers=bearer(raw))
        assert request.get_response(app.app).status_int == expected
