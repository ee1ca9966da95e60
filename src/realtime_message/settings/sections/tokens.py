"""What `[tokens]` and `[subscription_tokens]` hold.

The names are those of Centrifugo's `client.token` and `client.subscription_token`; the generated
configuration carries the values there, so that gateway and callback service agree.
"""

from __future__ import annotations

from typing import Annotated

from realtime_message.settings.sections.option import Section, option


class TokenSettings(Section, frozen=True, kw_only=True):
    """What clients' tokens are verified with, beside callback.token_secret."""

    rsa_public_key: Annotated[
        str,
        option(
            "Public key (PEM, at least 2048 bits) of tokens signed with RS256, RS384 or RS512. "
            "Public keys need the extra `asymmetric` of this package."
        ),
    ] = ""
    ecdsa_public_key: Annotated[
        str,
        option("Public key (PEM) of tokens signed with the ES256, ES384 or ES512 of its curve."),
    ] = ""
    jwks_public_endpoint: Annotated[
        str,
        option(
            "URL of a JSON Web Key Set. With one, only its keys count. `{{name}}` stands for what "
            "the group of that name in issuer_regex or audience_regex matched; such a group must "
            "be a list of fixed texts."
        ),
    ] = ""
    audience: Annotated[str, option("What the claim `aud` must hold; empty: anything.")] = ""
    audience_regex: Annotated[
        str, option("What one of the values of `aud` must match, in place of audience.")
    ] = ""
    issuer: Annotated[str, option("What the claim `iss` must be; empty: anything.")] = ""
    issuer_regex: Annotated[str, option("What `iss` must match, in place of issuer.")] = ""
    user_id_claim: Annotated[
        str, option("The claim that holds the user id; empty: `sub`, as usual.")
    ] = ""

    @property
    def has_public_keys(self) -> bool:
        """Whether tokens can be verified without a shared secret."""
        return bool(self.rsa_public_key or self.ecdsa_public_key or self.jwks_public_endpoint)


class SubscriptionTokenSettings(TokenSettings, frozen=True, kw_only=True):
    """What subscription tokens are verified with, where they have keys of their own."""

    enabled: Annotated[
        bool,
        option("Verify subscription tokens with this section alone, not as connection tokens."),
    ] = False
    hmac_secret_key: Annotated[
        str,
        option("The key that signs subscription tokens (HMAC).", secret=True),
    ] = ""
