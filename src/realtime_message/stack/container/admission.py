"""What an instance refuses to start with, beyond what each part checks for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from realtime_message.errors import ConfigurationError
from realtime_message.settings import LoadedSettings, check_settings
from realtime_message.settings.declarations import all_settings
from realtime_message.settings.load import tell
from realtime_message.settings.weak_secrets import weakness

#: Names the gateway that an instance runs.
GATEWAY_VARIABLE = "RTM_GATEWAY"
CENTRIFUGO, EMBEDDED = "centrifugo", "embedded"

_SECRETS = (
    "callback.token_secret",
    "callback.previous_token_secret",
    "callback.secret",
    "callback.previous_secret",
    "gateway.api_key",
)


def chosen_gateway(environment: Mapping[str, str]) -> str:
    """Return which gateway the environment asks for: `centrifugo` or `embedded`.

    Raises:
        ConfigurationError: it asks for another one.
    """
    gateway = environment.get(GATEWAY_VARIABLE) or CENTRIFUGO
    if gateway not in (CENTRIFUGO, EMBEDDED):
        raise ConfigurationError(
            f'{GATEWAY_VARIABLE} is "{gateway}": expected {CENTRIFUGO} or {EMBEDDED}'
        )
    return gateway


def check_instance(loaded: LoadedSettings) -> None:
    """Check the settings that an instance is about to start with.

    Raises:
        ConfigurationError: they do not fit together, or a secret keeps nothing secret.
    """
    check_settings(loaded, "callback", "gateway")
    problems = [*_weak_secrets(loaded), *_shared_port(loaded)]
    if problems:
        raise ConfigurationError(tell(problems))


def _shared_port(loaded: LoadedSettings) -> Iterator[str]:
    gateway, callback = loaded.settings.gateway.port, loaded.settings.callback.port
    if gateway == callback:
        yield (
            f"gateway and callback service both have port {gateway}: give one of them another, "
            "with gateway.port or callback.port (PORT)"
        )


def _weak_secrets(loaded: LoadedSettings) -> Iterator[str]:
    for path in _SECRETS:
        secret = loaded.value(path)
        reason = weakness(secret) if secret else ""
        if reason:
            setting = all_settings()[path]
            name = setting.alias or setting.environment_name
            yield (
                f"{path} ({loaded.origins[path]}) {reason}: set {name} to one of your own "
                "(`openssl rand -hex 32` makes one)"
            )
