"""Tokens signed with RSA and ECDSA keys, given or behind a URL."""

import jwt
import pytest

from realtime_message.centrifugo.tokens import make_connection_token
from support.gateway_client import Closed, RawClient, unique
from support.gateway_rig import TOKEN_SECRET
from support.token_keys import KeyPair, KeySetServer, encoded, forged_token

RSA = KeyPair("RS256", "rsa")
EC = KeyPair("ES256", "ec")
EDDSA = KeyPair("EdDSA", "ed")
GIVEN = {
    "client": {
        "token": {"rsa_public_key": RSA.public_pem, "ecdsa_public_key": EC.public_pem},
    }
}


async def outcome(url, token):
    """Return "connected", or the error, or the code and reason of the close."""
    client = await RawClient.open(url)
    try:
        reply = await client.request("connect", token=token)
    except Closed as closed:
        return closed.code, closed.reason
    finally:
        await client.close()
    return reply.get("error", "connected")


def unsigned(claims):
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims)}."


@pytest.mark.gateway(changes=GIVEN)
async def test_given_public_keys_verify_beside_the_secret(rig):
    """Each key its own algorithms; the user is the token's."""
    for token in (
        RSA.token(),
        jwt.encode({"sub": "56"}, RSA.private, algorithm="RS512"),
        EC.token(),
        make_connection_token(TOKEN_SECRET, "56"),
    ):
        client = await RawClient.connect(rig.url, token=token)
        await client.request("publish", channel=unique(), data=1)
        await client.close()
    assert {call.json["user"] for call in rig.callback.calls("publish")} == {"56"}


@pytest.mark.gateway(changes=GIVEN)
@pytest.mark.parametrize(
    "token",
    [
        KeyPair("RS256").token(),
        KeyPair("ES256").token(),
        KeyPair("ES384").token(),
        EDDSA.token(),
        jwt.encode({"sub": "56"}, RSA.private, algorithm="PS256"),
        unsigned({"sub": "56"}),
        forged_token(RSA.public_pem, {"sub": "56"}),
        forged_token(EC.public_pem, {"sub": "56"}),
        RSA.token()[:-8],
    ],
    ids=["rsa", "es256", "es384", "eddsa", "ps256", "none", "hmac-rsa", "hmac-ec", "cut"],
)
async def test_forged_tokens_are_invalid(rig, token):
    """Other keys, other algorithms, none at all, and a public key taken for a secret."""
    assert await outcome(rig.url, token) == (3500, "invalid token")


@pytest.mark.gateway(changes=GIVEN)
@pytest.mark.parametrize("claims", [{"exp": 1}, {"nbf": 4_000_000_000}])
async def test_time_is_checked_after_the_signature(rig, claims):
    """An expired token may be renewed; a forged expired one not."""
    claims = {"sub": "56", **claims}
    assert await outcome(rig.url, RSA.token(claims)) == {"code": 109, "message": "token expired"}
    assert await outcome(rig.url, KeyPair("RS256").token(claims)) == (3500, "invalid token")


@pytest.fixture
def keys():
    server = KeySetServer()
    yield server
    server.close()


def behind(keys, path="/keys", **options):
    return {"client": {"token": {"jwks_public_endpoint": keys.url + path, **options}}}


async def test_keys_behind_a_url(own_rig, keys):
    """RSA, ECDSA and Ed25519 keys; the secret counts no more."""
    keys.serve(RSA.jwk(), EC.jwk(alg=None), EDDSA.jwk())
    rig = own_rig(behind(keys))
    for pair in (RSA, EC, EDDSA):
        assert await outcome(rig.url, pair.token()) == "connected"
    assert keys.asked == ["/keys"]
    assert await outcome(rig.url, make_connection_token(TOKEN_SECRET, "56")) == (
        3500,
        "invalid token",
    )


async def test_tokens_that_no_key_of_the_set_signed(own_rig, keys):
    """No id, a wrong id, the id of another key, an algorithm that is not the key's."""
    keys.serve(RSA.jwk(), EC.jwk(), KeyPair("RS256", "enc").jwk(use="enc"))
    rig = own_rig(behind(keys))
    for token in (
        jwt.encode({"sub": "56"}, RSA.private, algorithm="RS256"),
        RSA.token(kid="unheard of"),
        RSA.token(kid="ec"),
        KeyPair("RS256", "rsa").token(),
        jwt.encode({"sub": "56"}, RSA.private, algorithm="RS512", headers={"kid": "rsa"}),
        KeyPair("RS256", "enc").token(),
        forged_token(RSA.public_pem, {"sub": "56"}, kid="rsa"),
        unsigned({"sub": "56"}),
    ):
        assert await outcome(rig.url, token) == (3500, "invalid token")


async def test_key_server_that_is_down_lets_nobody_in(own_rig, keys):
    """The token counts as invalid, in Centrifugo's way."""
    keys.status = 500
    keys.serve(RSA.jwk())
    rig = own_rig(behind(keys))
    assert await outcome(rig.url, RSA.token()) == (3500, "invalid token")


async def test_url_may_depend_on_the_issuer(own_rig, keys):
    """Of a list of fixed texts; one issuer's key is not another's."""
    keys.serve(KeyPair("RS256", "rsa").jwk(), path="/blue/keys")
    keys.serve(RSA.jwk(), path="/red/keys")
    rig = own_rig(
        behind(keys, "/{{tenant}}/keys", issuer_regex="^https://(?P<tenant>red|blue)\\.example/$")
    )
    for issuer, expected in (
        ("https://red.example/", "connected"),
        ("https://blue.example/", (3500, "invalid token")),
        ("https://evil.example/", (3500, "invalid token")),
    ):
        assert await outcome(rig.url, RSA.token({"sub": "56", "iss": issuer})) == expected
    assert keys.asked == ["/red/keys", "/blue/keys"]


@pytest.mark.gateway(
    changes={
        "client": {
            "token": {
                "rsa_public_key": RSA.public_pem,
                "audience_regex": "^app-(a|b)$",
                "issuer": "me",
                "user_id_claim": "uid",
            }
        }
    }
)
async def test_claims_are_looked_at_as_configured(rig):
    """Audience by pattern, issuer by text, the user in a claim of its own."""
    claims = {"sub": "1", "uid": "u7", "aud": ["x", "app-b"], "iss": "me"}
    client = await RawClient.connect(rig.url, token=RSA.token(claims))
    await client.request("publish", channel=unique(), data=1)
    assert rig.callback.calls("publish")[0].json["user"] == "u7"
    await client.close()
    for wrong in ({"aud": "app-c"}, {"iss": "you"}, {"aud": None}, {"iss": None}):
        refused = RSA.token({k: v for k, v in (claims | wrong).items() if v is not None})
        assert await outcome(rig.url, refused) == (3500, "invalid token")


@pytest.mark.gateway(
    changes={"client": {"subscription_token": {"enabled": True, "ecdsa_public_key": EC.public_pem}}}
)
async def test_subscription_tokens_may_have_a_public_key_of_their_own(rig):
    """Then a connection's token opens no channel, and the other way round."""
    client = await RawClient.connect(rig.url, token=make_connection_token(TOKEN_SECRET, "56"))
    channel = unique("$private")
    own = EC.token({"sub": "56", "channel": channel})
    reply = await client.request("subscribe", channel=channel, token=RSA.token({"sub": "56"}))
    assert reply["error"]["code"] == 103
    assert "subscribe" in await client.request("subscribe", channel=channel, token=own)
    await client.close()
    assert await outcome(rig.url, EC.token()) == (3500, "invalid token")
