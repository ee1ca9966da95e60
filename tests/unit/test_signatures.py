"""Signatures of tokens, against PyJWT's, and against what an attacker would try."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.centrifugo.public_keys import (
    PublicKey,
    ecdsa_key,
    keys_of_set,
    rsa_key,
    sign_with_private_key,
)
from realtime_message.centrifugo.signatures import HmacKey, parse_token, sign_with_hmac
from realtime_message.centrifugo.token_errors import InvalidTokenError
from realtime_message.centrifugo.tokens import TokenKeys, TokenVerifier
from support.token_keys import KeyPair, encoded, forged_token

SECRET = "a" * 64
RSA = KeyPair("RS256")
EC = {name: KeyPair(name) for name in ("ES256", "ES384", "ES512")}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_hmac_agrees_with_another_implementation(algorithm):
    """What PyJWT signs verifies, and the other way round."""
    token = parse_token(jwt.encode({"sub": "1"}, SECRET, algorithm=algorithm))
    assert HmacKey(SECRET).verifies(token)
    assert not HmacKey("b" * 64).verifies(token)
    ours = sign_with_hmac(b'{"sub":"1"}', SECRET)
    assert jwt.decode(ours, SECRET, algorithms=["HS256"]) == {"sub": "1"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_rsa_agrees_with_another_implementation(algorithm):
    """One RSA key verifies its three algorithms, and no token that was changed."""
    text = jwt.encode({"sub": "1"}, RSA.private, algorithm=algorithm)
    key = rsa_key(RSA.public_pem)
    assert key.verifies(parse_token(text))
    head, _, signature = text.split(".")
    assert not key.verifies(parse_token(f"{head}.{encoded({'sub': '2'})}.{signature}"))


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_ecdsa_key_is_for_the_algorithm_of_its_curve(algorithm):
    """Each curve has one algorithm; a signature of another length is none."""
    key = ecdsa_key(EC[algorithm].public_pem)
    text = EC[algorithm].token()
    assert key.verifies(parse_token(text))
    assert not key.verifies(parse_token(text[:-4]))
    assert not key.verifies(parse_token(text.rpartition(".")[0] + "."))
    assert [name for name in EC if key.can_verify(name)] == [algorithm]


@pytest.mark.parametrize("pair", [RSA, *EC.values(), KeyPair("EdDSA")])
def test_private_keys_sign_what_their_public_half_verifies(pair):
    """`rtm token` may sign with them; PyJWT takes the result."""
    text = sign_with_private_key(b'{"sub":"1"}', pair.private_pem.encode(), "k7")
    public = pair.private.public_key()
    assert PublicKey(public).verifies(parse_token(text))
    assert jwt.decode(text, public, algorithms=[pair.algorithm]) == {"sub": "1"}
    assert jwt.get_unverified_header(text)["kid"] == "k7"


@pytest.mark.parametrize("pem", [b"nonsense", RSA.public_pem.encode(), b""])
def test_what_is_no_private_key_signs_nothing(pem):
    """A public key neither."""
    with pytest.raises(ValueError, match="no PEM with a private key"):
        sign_with_private_key(b"{}", pem)


async def refused(text, **keys):
    with pytest.raises(InvalidTokenError):
        await TokenVerifier(TokenKeys(**keys)).verify_connection(text)


@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
async def test_algorithm_none_is_refused(name):
    """An unsigned token is nobody's word, however it is spelt, with or without a signature."""
    unsigned = f"{encoded({'alg': name, 'typ': 'JWT'})}.{encoded({'sub': '1'})}."
    for text in (unsigned, unsigned + encoded(b"x" * 32)):
        await refused(text, hmac_secret_key=SECRET, rsa_public_key=RSA.public_pem)
        await refused(text)


async def test_public_key_is_no_secret():
    """A token signed by HMAC with the text of the public key, which everybody has, is refused."""
    for pem in (RSA.public_pem, EC["ES256"].public_pem):
        forged = forged_token(pem, {"sub": "1"})
        await refused(forged, rsa_public_key=RSA.public_pem)
        await refused(forged, ecdsa_public_key=EC["ES256"].public_pem)
        await refused(
            forged,
            hmac_secret_key=SECRET,
            rsa_public_key=RSA.public_pem,
            ecdsa_public_key=EC["ES256"].public_pem,
        )


async def test_key_in_the_tokens_own_header_is_ignored():
    """A header may name its own key (jwk, jku, x5u): it is never asked."""
    mine = KeyPair("RS256")
    text = mine.token(jwk=mine.jwk(), jku="http://127.0.0.1:1/keys")
    await refused(text, rsa_public_key=RSA.public_pem)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "..",
        "a.b.c.d",
        f"{encoded([])}.{encoded({})}.",
        f"{encoded({})}.{encoded({})}.",
        f"{encoded({'alg': 1})}.{encoded({})}.",
        f"{encoded({'alg': 'HS256', 'crit': ['exp']})}.{encoded({})}.",
        f"{encoded(b'[' * 5000)}.{encoded({})}.",
        encoded({"alg": "HS256"}) + "=." + encoded({}) + ".",
        encoded({"alg": "HS256"}) + "." + encoded({}) + ".a+b/",
        encoded({"alg": "HS256"}) + "." + encoded({}) + ".a b\n",
        encoded({"alg": "HS256"}) + "." + encoded({}) + ".a",
        "\ud800.a.a",
    ],
)
def test_what_is_no_token_is_invalid(text):
    """Never another error, and no character is passed over."""
    with pytest.raises(InvalidTokenError):
        parse_token(text)


@given(st.text(max_size=60))
def test_random_text_is_invalid(text):
    """No text makes it raise anything else."""
    with pytest.raises(InvalidTokenError):
        parse_token(text)


def test_one_byte_more_or_less_is_another_signature():
    """A signature is compared as a whole."""
    head, body, signature = sign_with_hmac(b"{}", SECRET).split(".")
    raw = base64.urlsafe_b64decode(signature + "=")
    for wrong in (b"", raw[:-1], raw + b"\0", raw[:-1] + bytes([raw[-1] ^ 1])):
        assert not HmacKey(SECRET).verifies(parse_token(f"{head}.{body}.{encoded(wrong)}"))


@pytest.mark.parametrize("pair", [RSA, *EC.values(), KeyPair("EdDSA")])
@pytest.mark.parametrize("says_algorithm", [True, False])
def test_keys_of_a_set(pair, says_algorithm):
    """RSA, ECDSA and Ed25519 keys are read; `alg` may be left out."""
    jwk = pair.jwk(alg=pair.algorithm if says_algorithm else None)
    keys = keys_of_set(json.dumps({"keys": [jwk]}).encode())
    assert keys["k1"].verifies(parse_token(pair.token()))


def test_algorithm_of_a_key_is_the_only_one():
    """A key that says RS256 verifies no RS512."""
    keys = keys_of_set(json.dumps({"keys": [RSA.jwk()]}).encode())
    text = jwt.encode({}, RSA.private, algorithm="RS512")
    assert not keys["k1"].verifies(parse_token(text))


@pytest.mark.parametrize(
    "fields",
    [
        {"use": "enc"},
        {"use": None},
        {"kid": None},
        {"kty": "oct", "k": encoded(b"secret")},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": 5},
        {"alg": "HS256"},
        {"alg": "PS256"},
    ],
)
def test_keys_of_no_use_are_passed_over(fields):
    """A set may hold what others use; Centrifugo counts `use: sig` alone."""
    other = EC["ES256"].jwk(kid="other")
    document = json.dumps({"keys": [RSA.jwk(**fields), other]}).encode()
    assert list(keys_of_set(document)) == ["other"]


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys":{}}', b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_key_set_is_refused(document):
    """A page of an error, say."""
    with pytest.raises(ValueError, match="no key set"):
        keys_of_set(document)
