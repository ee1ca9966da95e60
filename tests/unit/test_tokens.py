"""Tokens are verified as Centrifugo v6 verifies them."""

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from realtime_message.centrifugo.tokens import (
    InvalidTokenError,
    TokenExpiredError,
    TokenKeys,
    TokenVerifier,
    make_connection_token,
    make_subscription_token,
)

SECRET = "a" * 64
OTHER_SECRET = "b" * 64
NOW = 1_700_000_000.0


def signed(claims, *, secret=SECRET, algorithm="HS256"):
    return jwt.encode(claims, secret, algorithm=algorithm)


@pytest.fixture
def verifier():
    return TokenVerifier(TokenKeys(hmac_secret_key=SECRET))


async def test_connection_token_carries_what_it_was_made_with(verifier):
    """A made token verifies, and its claims arrive."""
    token = make_connection_token(
        SECRET, "56", ttl_seconds=60, claims={"info": {"n": "A"}, "channels": ["news"]}, now=NOW
    )
    verified = await verifier.verify_connection(token, now=NOW)
    assert verified.user == "56"
    assert verified.expire_at == int(NOW) + 60
    assert verified.info == b'{"n":"A"}'
    assert list(verified.subs) == ["news"]


async def test_info_keeps_the_bytes_that_were_signed(verifier):
    """Big integers and escapes in info are not decoded and encoded again."""
    payload = b'{"sub":"1","info":{"n":12345678901234567890.10,"s":"\\u003c"}}'
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS512")
    assert (await verifier.verify_connection(token)).info == (
        b'{"n":12345678901234567890.10,"s":"\\u003c"}'
    )


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_every_hmac_algorithm_is_accepted(verifier, algorithm):
    """The HMAC key serves HS256, HS384 and HS512."""
    assert (await verifier.verify_connection(signed({"sub": "1"}, algorithm=algorithm))).user == "1"


async def test_subs_win_over_channels_and_keep_their_options(verifier):
    """`subs` replaces `channels`, as in Centrifugo."""
    token = signed(
        {
            "sub": "1",
            "channels": ["ignored"],
            "subs": {"room": {"data": {"a": 1}, "override": {"presence": {"value": False}}}},
        }
    )
    subs = (await verifier.verify_connection(token)).subs
    assert list(subs) == ["room"]
    assert bytes(subs["room"].data) == b'{"a":1}'
    assert subs["room"].override.presence.value is False


async def test_token_without_sub_is_anonymous(verifier):
    """No `sub` claim means the user with the empty id."""
    assert (await verifier.verify_connection(signed({}))).user == ""


async def test_expire_at_replaces_exp_as_the_end_of_the_connection(verifier):
    """`expire_at` decides when the connection expires; `exp` only how long the token is good."""
    claims = {"sub": "1", "exp": NOW + 10}
    assert (await verifier.verify_connection(signed(claims), now=NOW)).expire_at == int(NOW) + 10
    for expire_at, expected in ((int(NOW) + 500, int(NOW) + 500), (0, 0), (-1, 0)):
        token = signed({**claims, "expire_at": expire_at})
        assert (await verifier.verify_connection(token, now=NOW)).expire_at == expected


@pytest.mark.parametrize("claims", [{"exp": NOW}, {"exp": NOW - 1}, {"nbf": NOW + 60}])
async def test_token_outside_its_time_is_expired(verifier, claims):
    """An expired token and one that is not valid yet are both reported as expired."""
    with pytest.raises(TokenExpiredError):
        await verifier.verify_connection(signed({"sub": "1", **claims}), now=NOW)


async def test_iat_is_not_checked(verifier):
    """A token issued in the future is valid: Centrifugo does not look at `iat`."""
    assert (
        await verifier.verify_connection(signed({"sub": "1", "iat": NOW + 1e6}), now=NOW)
    ).user == "1"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "abc",
        "a.b.c",
        "\u00e9.\u00e9.\u00e9",
        signed({"sub": "1"}, secret=OTHER_SECRET),
        signed({"sub": 1}),
        signed({"sub": "1", "channels": "news"}),
        signed({"sub": "1", "channel": "news"}),
        signed({"sub": "1", "b64info": "%%%"}),
        signed({"sub": "1", "expire_at": 1.5}),
        jwt.encode({"sub": "1"}, None, algorithm="none"),
        jwt.PyJWS().encode(b"[]", SECRET, algorithm="HS256"),
    ],
)
async def test_bad_connection_token_is_invalid(verifier, token):
    """Malformed, wrongly signed and unfitting tokens are invalid, never an unexpected error."""
    with pytest.raises(InvalidTokenError):
        await verifier.verify_connection(token)


async def test_expired_token_of_another_key_is_invalid_not_expired(verifier):
    """The signature is checked before the time."""
    with pytest.raises(InvalidTokenError):
        await verifier.verify_connection(signed({"exp": 1}, secret=OTHER_SECRET))


async def test_previous_key_is_accepted_until_its_end():
    """While keys are changed, tokens of the previous one verify, up to the given time."""
    token = signed({"sub": "1"}, secret=OTHER_SECRET)
    for until, is_valid in ((0, True), (int(NOW) + 1, True), (int(NOW) - 1, False)):
        keys = TokenKeys(
            hmac_secret_key=SECRET,
            hmac_previous_secret_key=OTHER_SECRET,
            hmac_previous_secret_key_valid_until=until,
        )
        if is_valid:
            assert (await TokenVerifier(keys).verify_connection(token, now=NOW)).user == "1"
        else:
            with pytest.raises(InvalidTokenError):
                await TokenVerifier(keys).verify_connection(token, now=NOW)


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


async def test_rsa_and_ecdsa_keys_verify_their_own_algorithms_only():
    """A public key is never taken for an HMAC secret."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    verifier = TokenVerifier(
        TokenKeys(rsa_public_key=public_pem(rsa_key), ecdsa_public_key=public_pem(ec_key))
    )
    for key, algorithm in ((rsa_key, "RS256"), (ec_key, "ES256")):
        token = jwt.encode({"sub": "1"}, key, algorithm=algorithm)
        assert (await verifier.verify_connection(token)).user == "1"
    with pytest.raises(InvalidTokenError, match="no key"):
        await verifier.verify_connection(signed({"sub": "1"}))


def test_broken_public_key_is_named():
    """A key that is no PEM is found at the start, not with the first token."""
    with pytest.raises(ValueError, match="rsa_public_key: it is no PEM"):
        TokenVerifier(TokenKeys(rsa_public_key="nonsense"))


def test_key_of_another_kind_is_named():
    """An RSA key in the place of the ECDSA key would verify nothing."""
    pem = public_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(ValueError, match="ecdsa_public_key: it is no PEM with a public key of"):
        TokenVerifier(TokenKeys(ecdsa_public_key=pem))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"audience": "a", "audience_regex": "a"}, "audience_regex: cannot stand beside audience"),
        ({"issuer_regex": "("}, "issuer_regex: .* is not a regular expression"),
        ({"user_id_claim": "a-b"}, "user_id_claim"),
        ({"jwks_public_endpoint": "ftp://keys"}, "jwks_public_endpoint: .* is no http"),
        ({"jwks_public_endpoint": "http://k/{{t}}"}, "no group 't'"),
        (
            {"jwks_public_endpoint": "http://{{t}}/k", "issuer_regex": "^(?P<t>.*)$"},
            "list of fixed texts",
        ),
        (
            {"jwks_public_endpoint": "http://{{t}}/k", "issuer_regex": "^(?P<t>a|b)/[a-z]$"},
            "character class",
        ),
        (
            {"jwks_public_endpoint": "http://{{t}}/k", "issuer_regex": r"^(?P<t>a|\w+)$"},
            "character class",
        ),
    ],
)
def test_options_that_centrifugo_refuses_are_refused(options, expected):
    """Nobody may choose by a token from which server its key is fetched."""
    with pytest.raises(ValueError, match=expected):
        TokenVerifier(TokenKeys(**options))


@pytest.mark.parametrize(
    ("options", "claims", "is_valid"),
    [
        ({"audience": "a"}, {"aud": "a"}, True),
        ({"audience": "a"}, {"aud": ["b", "a"]}, True),
        ({"audience": "a"}, {"aud": "b"}, False),
        ({"audience": "a"}, {}, False),
        ({"audience_regex": "^x"}, {"aud": ["y", "x1"]}, True),
        ({"audience_regex": "^x"}, {"aud": "y"}, False),
        ({"issuer": "i"}, {"iss": "i"}, True),
        ({"issuer": "i"}, {"iss": "j"}, False),
        ({"issuer_regex": "i$"}, {"iss": "wii"}, True),
        ({"issuer_regex": "i$"}, {}, False),
    ],
)
async def test_audience_and_issuer_are_checked_when_configured(options, claims, is_valid):
    """Tokens for others, or of others, are invalid."""
    verifier = TokenVerifier(TokenKeys(hmac_secret_key=SECRET, **options))
    if is_valid:
        await verifier.verify_connection(signed(claims))
    else:
        with pytest.raises(InvalidTokenError):
            await verifier.verify_connection(signed(claims))


async def test_user_id_may_stand_in_another_claim():
    """The user id comes from the configured claim; a number is taken as its text."""
    verifier = TokenVerifier(TokenKeys(hmac_secret_key=SECRET, user_id_claim="uid"))
    assert (await verifier.verify_connection(signed({"sub": "1", "uid": "u7"}))).user == "u7"
    assert (await verifier.verify_connection(signed({"uid": 7}))).user == "7"
    assert (await verifier.verify_connection(signed({"sub": "1"}))).user == ""


async def test_subscription_token_carries_what_it_was_made_with(verifier):
    """A made subscription token verifies, and its claims arrive."""
    token = make_subscription_token(
        SECRET,
        "56",
        "$room",
        ttl_seconds=60,
        claims={"client": "c1", "info": 1, "b64data": "eyJhIjoxfQ=="},
        now=NOW,
    )
    verified = await verifier.verify_subscription(token, now=NOW)
    assert (verified.user, verified.channel, verified.client) == ("56", "$room", "c1")
    assert (verified.info, verified.data) == (b"1", b'{"a":1}')
    assert verified.expire_at == int(NOW) + 60


async def test_subscription_token_needs_a_channel(verifier):
    """A connection token opens no channel."""
    with pytest.raises(InvalidTokenError, match="channel"):
        await verifier.verify_subscription(signed({"sub": "1"}))
