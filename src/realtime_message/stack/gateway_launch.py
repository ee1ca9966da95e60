"""From settings to what a gateway is started with: its configuration and its environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    launch_environment,
)
from realtime_message.centrifugo.redis_engine import RedisEngine, redis_engine
from realtime_message.centrifugo.simple_yaml import yaml_lines
from realtime_message.centrifugo.token_keys import TokenKeys, token_keys_problems
from realtime_message.errors import ConfigurationError, StartupError
from realtime_message.settings import Settings, TokenSettings
from realtime_message.stack.install_folder import PROGRAM, install_folder


def gateway_options(settings: Settings) -> GatewayOptions:
    """Return what the gateway's configuration is made from.

    Raises:
        ConfigurationError: an option of the tokens makes no sense.
    """
    gateway = settings.gateway
    engine = RedisEngine()
    if gateway.engine == "redis":
        engine = redis_engine(gateway.redis_url or settings.redis.url)
    return GatewayOptions(
        host=gateway.host,
        port=gateway.port,
        callback_url=gateway.callback_url,
        # Centrifugo's working directory may be another one.
        callback_ca=str(Path(gateway.callback_ca).absolute()) if gateway.callback_ca else "",
        callback_server_name=gateway.callback_server_name,
        events=tuple(gateway.events),
        namespaces=tuple(gateway.namespaces),
        proxy_timeout_seconds=gateway.proxy_timeout_seconds,
        has_callback_secret=bool(settings.callback.secret),
        tokens=_spoken("tokens", settings.tokens),
        subscription_tokens=_spoken("subscription_tokens", settings.subscription_tokens)
        if settings.subscription_tokens.enabled
        else {},
        allowed_origins=tuple(gateway.allowed_origins),
        engine=gateway.engine,
        redis_address=engine.address,
        redis_tls=engine.tls,
        redis_prefix=f"{settings.redis.prefix}.centrifugo",
        shutdown_timeout_seconds=gateway.shutdown_timeout_seconds,
        # Those of the client's handshake: Centrifugo sends none of its own to a proxy.
        publish_headers=("Traceparent", "Tracestate") if settings.telemetry.tracing else (),
    )


def gateway_configuration(settings: Settings) -> dict[str, Any]:
    """Return the configuration that both gateways read. It holds no secret."""
    return build_configuration(gateway_options(settings))


def gateway_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the gateway finds its secrets.

    Variables of ours are left out: Centrifugo warns about CENTRIFUGO_* names that it does not know.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("RTM_") and name != "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"
    }
    return kept | launch_environment(
        gateway_options(settings),
        token_secret=settings.callback.token_secret,
        previous_token_secret=settings.callback.previous_token_secret,
        subscription_token_secret=settings.subscription_tokens.hmac_secret_key
        if settings.subscription_tokens.enabled
        else "",
        api_key=settings.gateway.api_key,
        callback_secret=settings.callback.secret,
    )


def _spoken(section: str, tokens: TokenSettings) -> dict[str, Any]:
    """Return the values that say something and are no secret.

    Raises:
        ConfigurationError: Centrifugo would not start with them.
    """
    values = msgspec.structs.asdict(tokens)
    for problem in token_keys_problems(msgspec.convert(values, TokenKeys)):
        raise ConfigurationError(f"{section}.{problem}")
    return {name: value for name, value in values.items() if value and name != "hmac_secret_key"}


def write_configuration(settings: Settings, path: Path) -> None:
    """Write the gateway's configuration: as YAML if the file's name ends so, else as JSON.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    configuration = gateway_configuration(settings)
    if path.suffix in {".yaml", ".yml"}:
        text = "\n".join(yaml_lines(configuration))
    else:
        encoded = msgspec.json.encode(configuration)
        text = msgspec.json.format(encoded, indent=2).decode()
    try:
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


def find_centrifugo(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the Centrifugo program: RTM_CENTRIFUGO_BIN, else the installed one, else PATH's.

    Raises:
        StartupError: there is none.
    """
    chosen = environment.get("RTM_CENTRIFUGO_BIN", "")
    if chosen and not os.access(chosen, os.X_OK):
        raise StartupError(f"RTM_CENTRIFUGO_BIN: {chosen} is no program that can be run")
    folder = install_folder(environment)
    installed = str(folder / PROGRAM) if folder and os.access(folder / PROGRAM, os.X_OK) else ""
    found = chosen or installed or shutil.which(PROGRAM, path=environment.get("PATH"))
    if not found:
        raise StartupError(
            "there is no centrifugo on PATH: `rtm centrifugo install` gets one; or name one in "
            "RTM_CENTRIFUGO_BIN, or use the embedded gateway (rtm up --gateway embedded; in a "
            "container RTM_GATEWAY=embedded)"
        )
    return Path(found)
