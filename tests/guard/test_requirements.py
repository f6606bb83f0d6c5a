"""What a view requires of a token, the requirements and verifiers of an application's own, and the events."""

from __future__ import annotations

import logging
import time
from dataclasses import fields

import pytest
import time_machine
from pyramid.authorization import Allow, Deny
from pyramid.exceptions import ConfigurationConflictError

from pyramid_oauthguard import (
    AccessToken,
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidToken,
    UnavailableError,
)
from pyramid_oauthguard.guard.events import AccessTokenAccepted, AccessTokenRejected
from pyramid_oauthguard.guard.verifiers.chosen import ChosenVerifier
from pyramid_oauthguard.interfaces import ICredentialVerifier
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer
from tests.guard.guarding import (
    BARE,
    INSUFFICIENT,
    INVALID,
    add,
    ask,
    build_app,
    find_setting_error,
    find_status,
    read_problem,
)


@pytest.fixture
def issuer():
    return MemoryIssuer()


def build_requiring(issuer, value, configure=lambda config: None, **settings):
    def complete(config):
        configure(config)
        add(config, "/here", token_require=value)

    return build_app(complete, issuer, settings={f"oauthguard.{name}": text for name, text in settings.items()})


# ── the forms ────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = {"scope": "read write other", "client_id": "robot", "acr": "urn:gold"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "lacking"),
    [
        ("read", {"scope": "write"}),
        ("read write", {"scope": "read"}),
        ("  read\n\twrite ", {"scope": "write"}),
        (["read", "write"], {"scope": "read"}),
        (("read",), {"scope": ABSENT}),
        ({"read"}, {"scope": ""}),
        (frozenset({"read", "write"}), {"scope": "read"}),
        ({"scope": "read write"}, {"scope": "write"}),
        ({"scope": ["read"]}, {"scope": "reads"}),
        ({"any_scope": "read nothing"}, {"scope": "write"}),
        ({"any_scope": ("nothing", "write")}, {"scope": "nothin"}),
        ({"client": "robot"}, {"client_id": "other"}),
        ({"client": "robot other"}, {"client_id": ABSENT}),
        ({"client": ["robot"]}, {"client_id": "robot2"}),
        ({"acr": "urn:gold urn:platinum"}, {"acr": "urn:silver"}),
        ({"acr": "urn:gold"}, {"acr": ABSENT}),
        ({"acr": "urn:gold"}, {"acr": ["urn:gold"]}),
        ({"scope": "read", "client": "robot"}, {"client_id": "other"}),
        ({"scope": "read", "client": "robot"}, {"scope": "write"}),
        ({"any_scope": "read", "acr": "urn:gold"}, {"acr": None}),
    ],
)
def test_what_is_required_must_be_there(issuer, value, lacking):
    app = build_requiring(issuer, value)
    assert find_status(app, "/here", issuer.mint(GOOD)) == 200
    assert find_status(app, "/here", issuer.mint({**GOOD, **lacking})) == (401 if "acr" in lacking else 403)
    assert find_status(app, "/here") == 401
    assert ask(app, "/here", "bad").headers["WWW-Authenticate"].startswith(INVALID)


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        ("write read", 'scope="write read"'),
        ({"any_scope": "a b", "scope": "c a"}, 'scope="a b c"'),
        ({"client": "robot"}, None),
        ({"acr": "urn:gold"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("raw", [None, "bad"])
def test_the_401_names_the_scopes_that_the_view_requires(issuer, value, needed, raw):
    response = ask(build_requiring(issuer, value), "/here", raw)
    base = BARE if raw is None else INVALID
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (401, f"{base}, {needed}" if needed else base)
    assert read_problem(response).get("scope") == (needed.split('"')[1] if needed else None)


def test_a_refusal_names_all_scopes_at_once(issuer):
    app = build_requiring(issuer, {"scope": "a", "any_scope": "b c"})
    assert ask(app, "/here", issuer.mint(scope="b")).headers["WWW-Authenticate"] == f'{INSUFFICIENT}, scope="a b c"'


def test_what_one_view_needs_is_not_named_by_another(issuer):
    def configure(config):
        add(config, "/one", token_require="one")
        add(config, "/two", token_require={"scope": "two", "acr": "urn:gold"})
        add(config, "/none", token_check="local")

    app = build_app(configure, issuer)
    raw = issuer.mint(scope="two", acr="urn:silver")
    for _again in range(2):
        assert ask(app, "/one").headers["WWW-Authenticate"] == f'{BARE}, scope="one"'
        assert ask(app, "/two").headers["WWW-Authenticate"] == f'{BARE}, scope="two"'
        assert ask(app, "/none").headers["WWW-Authenticate"] == BARE
        assert 'acr_values="urn:gold"' in ask(app, "/two", raw).headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("acl", "needed"),
    [
        ([(Allow, "scope:read", "view")], "read"),
        ([(Allow, "scope:b", "view"), (Allow, "scope:a", "view"), (Allow, "role:admin", "view")], "a b"),
        ([(Allow, "system.Authenticated", "view"), (Allow, "scope:read", "view")], None),
        ([(Allow, "user:ada", "view")], None),
        ([(Deny, "system.Everyone", "view"), (Allow, "scope:read", "view")], None),
        ([], None),
    ],
)
def test_the_401_of_a_permission_names_the_scopes_of_the_acl(issuer, acl, needed):
    class Place:
        __acl__ = acl

        def __init__(self, request):
            pass

    app = build_app(lambda config: add(config, "/here", permission="view"), issuer, root_factory=Place)
    response = ask(app, "/here")
    expected = BARE if needed is None else f'{BARE}, scope="{needed}"'
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (401, expected)


STEP_UP = (
    'Bearer realm="api", error="insufficient_user_authentication", '
    'error_description="The user must sign in again, or in another way."'
)


@pytest.mark.parametrize("mode", ["local", "remote"])
@pytest.mark.parametrize(
    ("value", "claims", "needed"),
    [
        ({"acr": "urn:gold urn:platinum"}, {"acr": "urn:silver"}, 'acr_values="urn:gold urn:platinum"'),
        ({"max_age": "5m"}, {"auth_time": 1}, 'max_age="300"'),
        ({"max_age": 0.5}, {}, 'max_age="0"'),
        ({"max_age": 60, "acr": "urn:gold"}, {"acr": "urn:gold"}, 'acr_values="urn:gold", max_age="60"'),
        ({"acr": "urn:gold", "max_age": 60}, {}, 'acr_values="urn:gold", max_age="60"'),
    ],
)
def test_a_sign_in_that_is_too_old_or_too_weak_is_401_as_rfc_9470_says(issuer, mode, value, claims, needed):
    app = build_app(lambda config: add(config, "/here", token_check=mode, token_require=value), issuer)
    response = ask(app, "/here", issuer.mint(claims))
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (401, f"{STEP_UP}, {needed}")
    problem = read_problem(response)
    assert problem["error"] == "insufficient_user_authentication"
    assert problem.get("acr_values") == ("urn:gold urn:platinum" if "platinum" in needed else value.get("acr"))


def test_a_view_may_ask_for_a_stronger_sign_in_itself(issuer):
    def pay(request):
        raise InsufficientUserAuthentication(acr_values=("urn:gold",))

    app = build_app(lambda config: add(config, "/pay", pay, token_check="local"), issuer)
    response = ask(app, "/pay", issuer.mint())
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (401, f'{STEP_UP}, acr_values="urn:gold"')


def test_introspection_says_how_the_user_signed_in(issuer):
    app = build_app(
        lambda config: add(config, "/here", token_check="remote", token_require={"acr": "urn:gold", "max_age": 60}),
        issuer,
    )
    now = int(time.time())
    assert find_status(app, "/here", issuer.mint_opaque(acr="urn:gold", auth_time=now)) == 200
    assert find_status(app, "/here", issuer.mint_opaque(acr="urn:gold", auth_time=now - 90)) == 401
    assert find_status(app, "/here", issuer.mint_opaque(acr="urn:gold")) == 401


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        ("write read", "write read"),
        ({"scope": ["b", "a"]}, "b a"),
        ({"any_scope": "a b"}, "a b"),
        ({"client": "a b"}, None),
    ],
)
def test_the_challenge_names_the_scopes_that_are_needed(issuer, value, needed):
    response = ask(build_requiring(issuer, value), "/here", issuer.mint())
    expected = INSUFFICIENT if needed is None else f'{INSUFFICIENT}, scope="{needed}"'
    assert response.headers["WWW-Authenticate"] == expected
    assert read_problem(response).get("scope") == needed


def test_how_long_ago_the_user_signed_in(issuer):
    app = build_requiring(issuer, {"max_age": "5m"})
    now = int(time.time())
    assert find_status(app, "/here", issuer.mint(auth_time=now - 10)) == 200
    assert find_status(app, "/here", issuer.mint(auth_time=float(now - 290))) == 200
    for wrong in now - 400, 0, -1, "now", str(now), True, None, [now], ABSENT:
        assert find_status(app, "/here", issuer.mint(auth_time=wrong)) == 401, wrong


def test_a_sign_in_in_the_future_is_no_recent_one(issuer):
    """A time in milliseconds was recent for ever, and one that is no float was answered with 500."""
    app = build_requiring(issuer, {"max_age": "5m"})
    now = int(time.time())
    assert find_status(app, "/here", issuer.mint(auth_time=now + 30)) == 200
    for wrong in now + 900, now * 1000, 2**60, 10**400, -(10**400), 1e308:
        assert find_status(app, "/here", issuer.mint(auth_time=wrong)) == 401, wrong


def test_a_remembered_token_grows_older_all_the_same(issuer):
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        app = build_requiring(issuer, {"max_age": 60})
        raw = issuer.mint(auth_time=1_900_000_000)
        assert find_status(app, "/here", raw) == 200
        clock.shift(61)
        assert find_status(app, "/here", raw) == 401


def test_no_requirement_at_all_wants_just_a_token(issuer):
    """An empty dictionary has nothing to be overlooked in it; an empty string has, and stops start-up."""
    app = build_requiring(issuer, {})
    assert find_status(app, "/here", issuer.mint()) == 200
    assert find_status(app, "/here", issuer.mint_expired()) == 401
    assert find_status(app, "/here") == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        [],
        (),
        {"scope": ""},
        {"scope": []},
        {"any_scope": " "},
        {"client": ()},
        {"client": None},
        {"acr": ""},
        7,
        True,
        b"read",
        ["read", 7],
        [["read"]],
        {"scope": 7},
        {"scope": {"a": 1}},
        {"max_age": "soon"},
        {"max_age": -1},
        {"max_age": None},
        {"max_age": float("nan")},
        {"scop": "read"},
        {"": "read"},
        {7: "read"},
        {None: "read"},
        object(),
    ],
)
def test_a_wrong_requirement_stops_start_up(issuer, value):
    error = find_setting_error(lambda: build_requiring(issuer, value))
    assert error.key == "token_require"


def test_an_unknown_requirement_is_answered_with_the_known_ones(issuer):
    error = find_setting_error(lambda: build_requiring(issuer, {"scop": "read"}))
    assert str(error).removesuffix(f" [{error.place}]") == (
        "token_require: 'scop' is not a requirement (known are acr, any_scope, client, max_age, once, scope)"
    )


# ── an application's own ─────────────────────────────────────────────────────────────────────────────────────────


def require_tier(value):
    if value not in ("silver", "gold"):
        raise ValueError("must be silver or gold")

    def check_tier(token):
        if token.claims.get("tier") != value:
            raise InsufficientScope("wrong_tier")

    return check_tier


@pytest.mark.parametrize("factory", [require_tier, f"{__name__}.require_tier"])
@pytest.mark.parametrize("late", [True, False])
def test_an_application_may_add_a_requirement(issuer, factory, late):
    def configure(config):
        if not late:
            config.add_token_requirement("tier", factory)
        add(config, "/here", token_require={"tier": "gold", "scope": "read"})
        if late:  # the order of the statements must not matter: Pyramid's configuration is declarative
            config.add_token_requirement("tier", factory)

    app = build_app(configure, issuer)
    assert find_status(app, "/here", issuer.mint(tier="gold", scope="read")) == 200
    response = ask(app, "/here", issuer.mint(tier="silver", scope="read"))
    assert (response.status_int, response.headers["WWW-Authenticate"]) == (403, INSUFFICIENT)


def test_its_wrong_values_stop_start_up_as_well(issuer):
    error = find_setting_error(
        lambda: build_requiring(
            issuer, {"tier": "tin"}, lambda config: config.add_token_requirement("tier", require_tier)
        )
    )
    assert str(error).removesuffix(f" [{error.place}]") == "token_require: tier: must be silver or gold"


def test_a_built_in_requirement_may_be_replaced_by_the_application_but_not_twice(issuer):
    app = build_requiring(issuer, "gold", lambda config: config.add_token_requirement("scope", require_tier))
    assert find_status(app, "/here", issuer.mint(tier="gold")) == 200

    def twice(config):
        config.add_token_requirement("tier", require_tier)
        config.add_token_requirement("tier", lambda value: require_tier("gold"))

    with pytest.raises(ConfigurationConflictError):
        build_app(twice, issuer)


@pytest.mark.parametrize("made", [None, True, "read", 7])
def test_a_factory_that_returns_no_callable_stops_start_up(issuer, made):
    error = find_setting_error(
        lambda: build_requiring(
            issuer, {"odd": 1}, lambda config: config.add_token_requirement("odd", lambda value: made)
        )
    )
    assert (
        str(error).removesuffix(f" [{error.place}]")
        == f"token_require: odd: its factory must return a callable, not {made!r}"
    )


@pytest.mark.parametrize("said", [True, False, "no", 0])
def test_a_requirement_that_returns_its_verdict_lets_nobody_in(issuer, said):
    """Whoever returns False means no, and would never learn that it was overlooked."""

    def configure(config):
        config.add_token_requirement("odd", lambda value: lambda token: said)

    app = build_requiring(issuer, {"odd": 1}, configure)
    with pytest.raises(TypeError, match="must return None or raise"):
        ask(app, "/here", issuer.mint())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InsufficientScope(scopes=("a",)), 403),
        (InvalidToken("unwanted"), 401),
        (UnavailableError("directory_down"), 503),
    ],
)
def test_a_requirement_may_raise_any_of_the_guards_refusals(issuer, error, status):
    def check(token):
        raise error

    app = build_requiring(issuer, {"odd": 1}, lambda config: config.add_token_requirement("odd", lambda value: check))
    for _again in range(3):
        assert find_status(app, "/here", issuer.mint()) == status


class SubclassedRefusal(InsufficientScope):
    """A refusal of an application's own, with a status of its own."""

    status = 402
    code = "payment_required"
    description = "Pay first."


def test_a_refusal_may_have_a_status_of_its_own(issuer):
    def check(token):
        raise SubclassedRefusal("unpaid")

    app = build_requiring(issuer, {"odd": 1}, lambda config: config.add_token_requirement("odd", lambda value: check))
    response = ask(app, "/here", issuer.mint())
    assert (response.status_int, read_problem(response)["title"]) == (402, "Payment Required")
    assert 'error="payment_required"' in response.headers["WWW-Authenticate"]


# ── verifiers ────────────────────────────────────────────────────────────────────────────────────────────────────


def make_token(**members):
    return AccessToken(
        **{
            "subject": "ada",
            "client_id": "app",
            "scopes": frozenset({"read"}),
            "audience": ("api",),
            "issuer": "me",
            "expires_at": time.time() + 60,
            "issued_at": None,
            "token_id": None,
            "username": None,
            "claims": {"roles": ["admin"]},
            "mode": "local",
            **members,
        }
    )


class Verifier:
    """An application's own: says what it was told to say."""

    def __init__(self, said=None):
        self.said = said
        self.seen = []

    def verify(self, raw):
        self.seen.append(raw)
        if isinstance(self.said, BaseException):
            raise self.said
        return make_token() if self.said is None else self.said


MODULE_VERIFIER = Verifier()


def build_verifying(issuer, verifier, mode="local", **settings):
    def configure(config):
        config.set_token_verifier(mode, verifier)
        add(config, "/here", token_check=mode)
        add(config, "/permitted", token_check=mode, permission="read")
        add(config, "/administer", permission="administer")

    return build_app(configure, issuer, settings=settings)


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_an_application_may_verify_tokens_its_own_way(issuer, mode):
    verifier = Verifier()
    app = build_verifying(issuer, verifier, mode)
    assert ask(app, "/here", "swordfish").json["subject"] == "ada"
    assert find_status(app, "/permitted", "swordfish") == 200
    assert verifier.seen == ["swordfish"] * 2
    assert find_status(app, "/here") == 401
    assert find_status(app, "/here", Authorization="Bearer a b") == 400
    assert len(verifier.seen) == 2


def test_a_verifier_may_be_given_by_name(issuer):
    assert ask(build_verifying(issuer, f"{__name__}.MODULE_VERIFIER"), "/here", "word").json["subject"] == "ada"


@pytest.mark.parametrize("mode", ["Local", "", None, "both", ["local"]])
def test_a_verifier_for_no_mode_stops_start_up(issuer, mode):
    error = find_setting_error(lambda: build_app(lambda config: config.set_token_verifier(mode, Verifier()), issuer))
    assert error.key == "set_token_verifier"


@pytest.mark.parametrize(
    ("verifier", "problem"),
    [
        (Verifier, "Verifier is a class, whose methods can't be called without an object"),
        (f"{__name__}.Verifier", "Verifier is a class, whose methods can't be called without an object"),
        (object(), "an object of type object has no method verify"),
        (lambda raw: make_token(), "an object of type function has no method verify"),
        (None, "an object of type NoneType has no method verify"),
    ],
)
def test_a_verifier_that_can_not_verify_stops_start_up(issuer, verifier, problem):
    """Every request with a token was answered 503."""
    error = find_setting_error(lambda: build_verifying(issuer, verifier))
    assert (error.key, error.problem) == ("set_token_verifier", problem)


@pytest.mark.parametrize("factory", [None, 5, "os.sep"])
def test_a_requirement_whose_factory_can_not_be_called_stops_start_up(issuer, factory):
    error = find_setting_error(lambda: build_app(lambda config: config.add_token_requirement("mine", factory), issuer))
    assert error.key == "add_token_requirement"
    assert error.problem.startswith("the factory of 'mine' can't be called")


def test_a_function_that_finds_no_more_principals_may_return_none(issuer):
    """Each request with a token was a TypeError."""
    settings = {"oauthguard.principals": lambda token, request: None}
    app = build_app(lambda config: add(config, "/here", permission="read"), issuer, settings=settings)
    assert find_status(app, "/here", issuer.mint(scope="read")) == 200


def test_two_verifiers_for_one_mode_are_a_conflict(issuer):
    def configure(config):
        config.set_token_verifier("local", Verifier())
        config.set_token_verifier("local", Verifier())

    with pytest.raises(ConfigurationConflictError):
        build_app(configure, issuer)


@pytest.mark.promise("GD-14")
@pytest.mark.parametrize("said", [True, False, "ada", {"sub": "ada"}, 7, (), AccessToken])
@pytest.mark.parametrize("path", ["/here", "/permitted"])
def test_what_a_verifier_returns_is_a_token_or_lets_nobody_in(issuer, said, path):
    app = build_verifying(issuer, Verifier(said))
    assert find_status(app, path, "word") == 503


class Silent:
    def verify(self, raw):
        return None


@pytest.mark.parametrize("path", ["/here", "/permitted"])
def test_a_verifier_that_returns_none_lets_nobody_in(issuer, path):
    assert find_status(build_verifying(issuer, Silent()), path, "word") == 503


@pytest.mark.promise("GD-14", "GD-26")
@pytest.mark.parametrize(
    "error",
    [
        ValueError("the token swordfish is bad"),
        KeyError("swordfish"),
        RecursionError(),
        AssertionError(),
        StopIteration(),
    ],
)
def test_a_verifier_that_raises_anything_is_an_outage_that_tells_nothing(issuer, error, caplog):
    caplog.set_level(logging.DEBUG)
    app = build_verifying(issuer, Verifier(error))
    for path in "/here", "/permitted":
        response = ask(app, path, "swordfish")
        assert response.status_int == 503
        assert "swordfish" not in str(response)
    assert "swordfish" not in caplog.text
    assert type(error).__name__ in caplog.text


class Extended(AccessToken):
    """A token with something more."""

    @property
    def shouted(self):
        return self.subject.upper()


def test_a_token_of_a_subclass_is_taken_as_a_token(issuer):
    token = make_token()
    extended = Extended(
        **{name: getattr(token, name) for name in (each.name for each in fields(AccessToken) if each.init)}
    )
    app = build_verifying(issuer, Verifier(extended))
    assert ask(app, "/here", "word").json["subject"] == "ada"
    assert find_status(app, "/permitted", "word") == 200


def test_a_verifier_that_two_applications_share_gives_neither_the_others_principals(issuer):
    shared = Verifier(make_token())
    with_roles = build_verifying(issuer, shared, **{"oauthguard.role_claim": "roles"})
    without = build_verifying(issuer, shared)
    assert find_status(with_roles, "/administer", "word") == 200
    assert find_status(without, "/administer", "word") == 403


class DenyingVerifier(ChosenVerifier):
    """What an application adds to the built-in check is asked each time, also for a token that is remembered."""

    denied: frozenset[str] = frozenset()

    def verify(self, raw):
        token = super().verify(raw)
        if token.token_id in self.denied:
            raise InvalidToken("denied")
        return token


class Wrapper:
    def __init__(self, inner):
        self.inner = inner
        self.denied = frozenset()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def verify(self, raw):
        token = self.inner.verify(raw)
        if token.token_id in self.denied:
            raise InvalidToken("denied")
        return token


@pytest.mark.parametrize("how", ["subclass", "wrapper"])
def test_a_verifier_built_upon_the_local_one_is_not_bypassed_by_its_memory(issuer, how):
    app = build_app(lambda config: add(config, "/here", token_check="local"), issuer)
    registry = app.app.registry
    verifier = registry.getUtility(ICredentialVerifier, name="local")
    if how == "subclass":
        verifier.__class__ = DenyingVerifier
    else:
        verifier = Wrapper(verifier)
        registry.registerUtility(verifier, ICredentialVerifier, name="local")
    raw = issuer.mint(jti="number-1")
    assert find_status(app, "/here", raw) == 200
    assert find_status(app, "/here", raw) == 200
    type(verifier).denied = frozenset({"number-1"})
    if how == "wrapper":
        verifier.denied = frozenset({"number-1"})
    try:
        assert find_status(app, "/here", raw) == 401
    finally:
        type(verifier).denied = frozenset()


def test_directives_are_there_to_introspect(issuer):
    def configure(config):
        config.set_token_verifier("local", Verifier())
        config.add_token_requirement("tier", require_tier)

    introspector = build_app(configure, issuer).app.registry.introspector
    assert [each["introspectable"]["factory"] for each in introspector.get_category("token requirements")] == [
        require_tier
    ]
    assert len(introspector.get_category("token verifiers")) == 1


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def heard():
    return []


def build_listening(issuer, heard, **settings):
    def configure(config):
        config.add_subscriber(heard.append, AccessTokenAccepted)
        config.add_subscriber(heard.append, AccessTokenRejected)
        add(config, "/local", token_check="local", permission="enter")
        add(config, "/remote", token_check="remote", permission="enter")
        add(config, "/scoped", token_require="read")
        add(config, "/open", lambda request: {})

    return build_app(configure, issuer, settings=settings)


def test_an_accepted_token_is_announced_once(issuer, heard):
    app = build_listening(issuer, heard)
    ask(app, "/local", issuer.mint(sub="ada"))
    (event,) = heard
    assert isinstance(event, AccessTokenAccepted)
    assert (event.access_token.subject, event.access_token.mode) == ("ada", "local")
    assert event.request.path == "/local"
    ask(app, "/local", event.request.headers["Authorization"].removeprefix("Bearer "))
    assert len(heard) == 2  # a remembered token is accepted anew


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "path", "reason", "mode"),
    [
        (lambda issuer: issuer.mint_expired(), "/local", "expired", "local"),
        (lambda issuer: issuer.mint_foreign(), "/local", "bad_signature", "local"),
        (lambda issuer: issuer.mint_tampered(), "/remote", "bad_signature", "remote"),
        (lambda issuer: issuer.mint(aud="other"), "/local", "wrong_audience", "local"),
        (lambda issuer: "opaque", "/local", "not_a_jwt", "local"),
        (lambda issuer: "opaque", "/remote", "inactive", "remote"),
        (lambda issuer: "not a token", "/local", "malformed_header", "local"),
    ],
)
def test_a_rejected_token_is_announced_with_its_reason(issuer, heard, make, path, reason, mode):
    app = build_listening(issuer, heard)
    ask(app, path, make(issuer))
    (event,) = heard
    assert isinstance(event, AccessTokenRejected)
    assert (event.reason, event.mode, event.request.path) == (reason, mode, path)


def test_an_outage_is_announced(issuer, heard):
    app = build_listening(issuer, heard)
    with issuer.outage():
        ask(app, "/local", issuer.mint())
    assert [event.reason for event in heard] == ["unreachable"]


def test_nothing_is_announced_where_there_is_nothing(issuer, heard):
    app = build_listening(issuer, heard)
    ask(app, "/local")
    ask(app, "/local", Authorization="Basic eA==")
    ask(app, "/open", issuer.mint())
    ask(app, "/open", "bad")
    assert not heard


def test_a_token_that_is_good_but_not_enough_was_accepted(issuer, heard):
    app = build_listening(issuer, heard)
    assert find_status(app, "/scoped", issuer.mint()) == 403
    assert [type(event) for event in heard] == [AccessTokenAccepted]


def test_each_mode_is_announced(issuer, heard):
    def configure(config):
        config.add_subscriber(heard.append, AccessTokenAccepted)
        config.add_subscriber(heard.append, AccessTokenRejected)
        add(config, "/remote", token_check="remote", is_authenticated=True)

    app = build_app(configure, issuer)
    raw = issuer.mint()
    ask(app, "/remote", raw)
    issuer.revoke(raw)
    ask(app, "/remote", raw)
    assert [(type(event).__name__, getattr(event, "mode", None) or event.access_token.mode) for event in heard] == [
        ("AccessTokenAccepted", "local"),
        ("AccessTokenAccepted", "remote"),
        ("AccessTokenAccepted", "local"),
        ("AccessTokenRejected", "remote"),
    ]
