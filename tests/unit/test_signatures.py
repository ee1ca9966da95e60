"""Signatures of tokens: which key verifies what, and what an attacker would try."""

import base64
import json
import warnings

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.centrifugo.signatures import (
    ecdsa_key,
    keys_of_set,
    read_unverified,
    rsa_key,
    secret_key,
    sign_with_private_key,
    sign_with_secret,
    verified_payload,
)
from realtime_message.centrifugo.token_errors import InvalidTokenError, KeysUnavailableError
from realtime_message.centrifugo.tokens import TokenKeys, TokenVerifier
from realtime_message.errors import ConfigurationError
from support.token_keys import KeyPair, encoded, forged_token

SECRET = "a" * 64
RSA = KeyPair("RS256")
EC = {name: KeyPair(name) for name in ("ES256", "ES384", "ES512")}
PAYLOAD = b'{"sub": "1"}'


def signed(key, algorithm):
    return jwt.PyJWS().encode(PAYLOAD, key, algorithm)


def assert_not_signed(text, key):
    with pytest.raises(InvalidTokenError):
        verified_payload(text, [key])


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secret_verifies_every_hmac(algorithm):
    """And no other secret does; the payload is what was signed, byte for byte."""
    text = signed(SECRET, algorithm)
    other = secret_key("b" * 64)
    assert verified_payload(text, [other, secret_key(SECRET)]) == PAYLOAD
    assert_not_signed(text, other)


def test_what_we_sign_is_hs256():
    """Any other library takes it."""
    ours = sign_with_secret(PAYLOAD, SECRET)
    assert jwt.decode(ours, SECRET, algorithms=["HS256"]) == {"sub": "1"}
    assert jwt.get_unverified_header(ours) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_rsa_key_verifies_its_three_algorithms(algorithm):
    """And no token that was changed."""
    text = signed(RSA.private, algorithm)
    key = rsa_key(RSA.public_pem)
    assert verified_payload(text, [key]) == PAYLOAD
    head, _, signature = text.split(".")
    assert_not_signed(f"{head}.{encoded({'sub': '2'})}.{signature}", key)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_ecdsa_key_is_for_the_algorithm_of_its_curve(algorithm):
    """Each curve has one algorithm; a signature of another length is none."""
    key = ecdsa_key(EC[algorithm].public_pem)
    text = EC[algorithm].token()
    assert verified_payload(text, [key])
    assert_not_signed(text[:-4], key)
    assert_not_signed(text.rpartition(".")[0] + ".", key)
    assert list(key.algorithms) == [algorithm]


@pytest.mark.parametrize("pair", [RSA, *EC.values(), KeyPair("EdDSA")])
def test_private_keys_sign_what_their_public_half_verifies(pair):
    """`rtm token` may sign with them."""
    text = sign_with_private_key(PAYLOAD, pair.private_pem.encode(), "k7")
    public = pair.private.public_key()
    assert jwt.decode(text, public, algorithms=[pair.algorithm]) == {"sub": "1"}
    assert jwt.get_unverified_header(text)["kid"] == "k7"


@pytest.mark.parametrize("pem", [b"nonsense", RSA.public_pem.encode(), b"", b"\xff"])
def test_what_is_no_private_key_signs_nothing(pem):
    """A public key neither."""
    with pytest.raises(ValueError, match="no PEM with a private key"):
        sign_with_private_key(b"{}", pem)


@pytest.mark.parametrize(
    ("load", "pem"),
    [
        (rsa_key, RSA.private_pem),
        (ecdsa_key, EC["ES256"].private_pem),
        (rsa_key, EC["ES256"].public_pem),
        (ecdsa_key, RSA.public_pem),
        (ecdsa_key, KeyPair("EdDSA").public_pem),
        (ecdsa_key, KeyPair("ES256K").public_pem),
        (ecdsa_key, "nonsense"),
    ],
)
def test_what_is_no_public_key_of_its_kind_is_refused(load, pem):
    """A private key too: it belongs nowhere near what verifies."""
    with pytest.raises(ValueError, match="it is no PEM with a public"):
        load(pem)


def test_rsa_key_of_few_bits_is_refused():
    """What can be factored signs for anybody (RFC 7518, section 3.3)."""
    weak = KeyPair("RS256")
    weak.private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(ValueError, match="1024 bits"):
        rsa_key(weak.public_pem)
    with pytest.raises(ValueError, match="1024 bits"):
        sign_with_private_key(b"{}", weak.private_pem.encode())
    assert not keys_of_set(json.dumps({"keys": [weak.jwk()]}).encode())


def test_short_secret_is_no_warning():
    """The settings judge secrets: a warning per place in the code would tell nobody anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = sign_with_secret(PAYLOAD, "0123456789abcdef")
        assert verified_payload(text, [secret_key("0123456789abcdef")]) == PAYLOAD


@pytest.mark.parametrize("secret", ["", RSA.public_pem, json.dumps(RSA.jwk())])
def test_public_key_set_as_the_secret_is_told(secret):
    """Everybody has it. The token is not to blame, so nobody is turned away for good."""
    with pytest.raises(KeysUnavailableError, match="cannot be used"):
        verified_payload(forged_token(secret, {}), [secret_key(secret)])
    with pytest.raises(ConfigurationError, match="cannot be signed"):
        sign_with_secret(b"{}", secret)


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


async def test_algorithm_of_a_token_is_never_the_choice():
    """Good keys in the hands of algorithms that are not theirs verify nothing."""
    for key, algorithm in ((RSA.private, "PS256"), (KeyPair("ES256K").private, "ES256K")):
        await refused(
            signed(key, algorithm),
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
    """Never another error."""
    assert_not_signed(text, secret_key(SECRET))


@pytest.mark.parametrize("junk", ["\n", " ", "!", "+", "\0", "\u00e9"])
def test_no_character_is_passed_over(junk):
    """What decoders of base64 ignore is no part of a token."""
    good = sign_with_secret(PAYLOAD, SECRET)
    for place in (0, 5, good.rindex("."), len(good)):
        text = good[:place] + junk + good[place:]
        assert_not_signed(text, secret_key(SECRET))
        with pytest.raises(InvalidTokenError):
            read_unverified(text)


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": "exp"}, {"b64": False, "crit": ["b64"]}],
)
def test_extension_that_is_not_known_is_refused(header):
    """Though our own key signed the token: what it demands cannot be done."""
    text = forged_token(SECRET, {"sub": "1"}, **header)
    assert_not_signed(text, secret_key(SECRET))
    with pytest.raises(InvalidTokenError):
        read_unverified(text)


@given(st.text(max_size=60))
def test_random_text_is_invalid(text):
    """No text makes it raise anything else."""
    assert_not_signed(text, secret_key(SECRET))
    with pytest.raises(InvalidTokenError):
        read_unverified(text)


def test_one_byte_more_or_less_is_another_signature():
    """A signature is compared as a whole."""
    head, body, signature = sign_with_secret(b"{}", SECRET).split(".")
    raw = base64.urlsafe_b64decode(signature + "=")
    for wrong in (b"", raw[:-1], raw + b"\0", raw[:-1] + bytes([raw[-1] ^ 1])):
        assert_not_signed(f"{head}.{body}.{encoded(wrong)}", secret_key(SECRET))


@pytest.mark.parametrize("pair", [RSA, *EC.values(), KeyPair("EdDSA")])
@pytest.mark.parametrize("says_algorithm", [True, False])
def test_keys_of_a_set(pair, says_algorithm):
    """RSA, ECDSA and Ed25519 keys are read; `alg` may be left out."""
    jwk = pair.jwk(alg=pair.algorithm if says_algorithm else None)
    keys = keys_of_set(json.dumps({"keys": [jwk]}).encode())
    assert verified_payload(pair.token(), [keys["k1"]])


def test_algorithm_of_a_key_is_the_only_one():
    """A key that says RS256 verifies no RS512."""
    keys = keys_of_set(json.dumps({"keys": [RSA.jwk()]}).encode())
    assert_not_signed(signed(RSA.private, "RS512"), keys["k1"])


def test_rsa_key_without_an_algorithm_has_three():
    """As in Centrifugo."""
    keys = keys_of_set(json.dumps({"keys": [RSA.jwk(alg=None)]}).encode())
    assert verified_payload(signed(RSA.private, "RS512"), [keys["k1"]]) == PAYLOAD


def test_private_half_in_a_set_is_not_read():
    """Whoever shows it has another worry; the public half verifies."""
    jwk = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(RSA.private))
    document = json.dumps({"keys": [RSA.jwk(**{name: jwk[name] for name in "dpq"})]}).encode()
    assert verified_payload(RSA.token(), [keys_of_set(document)["k1"]])


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
        {"alg": "none"},
        {"alg": "ES256"},
        {"alg": ["RS256"]},
        {"kty": "EC"},
        {"kty": "OKP", "crv": "Ed448", "x": encoded(b"x" * 57), "alg": "EdDSA"},
        EC["ES384"].jwk(alg="ES256"),
        EC["ES256"].jwk(x=encoded(b"x" * 32)),
        KeyPair("ES256K").jwk(),
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
