"""A Centrifugo configuration as its environment changes it, asked by dotted paths.

Unlike `configuration_reader` this takes any document, also one with options that the embedded
gateway lacks or with values of the wrong type: it is for saying what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realtime_message.centrifugo.durations import parse_duration
from realtime_message.centrifugo.earlier_names import variable_of

_TRUE = frozenset({"1", "t", "true"})


@dataclass(frozen=True, slots=True)
class Rule:
    """The options of some channels or RPC methods.

    Attributes:
        path: where they stand, such as `channel.namespaces[0]`.
        name: the namespace's; empty without one.
        options: as in the file.
    """

    path: str
    name: str
    options: Mapping[str, Any]


class EffectiveOptions:
    """What Centrifugo would find under a path: the environment wins over the file.

    Args:
        document: the file's content.
        environ: the environment that Centrifugo starts with.
    """

    def __init__(self, document: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ

    def value(self, path: str, default: Any = None) -> Any:
        """Return the value under a path; a zero value is the default, as for Centrifugo."""
        if text := self.environ.get(variable_of(path)):
            return text
        found: Any = self.document
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found or default

    def is_on(self, path: str) -> bool:
        """Whether a switch is on."""
        return is_true(self.value(path, default=False))

    def where(self, path: str) -> str:
        """Return where the value under a path comes from: the path, or a variable's name."""
        variable = variable_of(path)
        return f"{variable} (environment)" if self.environ.get(variable) else path

    def number(self, path: str, default: int = 0) -> int:
        """Return a whole number; 0 if the value is none."""
        try:
            return int(self.value(path, default))
        except (TypeError, ValueError):
            return 0

    def seconds(self, path: str, default: float) -> float | None:
        """Return a duration in seconds; None if the value is not one."""
        try:
            return float(parse_duration(self.value(path, f"{default}s")))
        except ValueError:
            return None

    def channel_rules(self) -> Iterator[Rule]:
        """Yield the options of channels without namespace and of every namespace."""
        yield from self._rules("channel")

    def rpc_rules(self) -> Iterator[Rule]:
        """Yield the options of RPC methods without namespace and of every namespace."""
        yield from self._rules("rpc")

    def named_proxies(self) -> dict[str, str]:
        """Return the paths of the proxies that rules choose by name."""
        return {
            str(proxy.get("name", "")): f"proxies[{index}]"
            for index, proxy in enumerate(_objects(self.document.get("proxies")))
        }

    def proxy(self, path: str) -> dict[str, Any]:
        """Return a proxy's options; `path` is `proxies[i]` or that of a proxy of Centrifugo's."""
        if path.startswith("proxies["):
            index = int(path.removeprefix("proxies[").removesuffix("]"))
            return dict(_objects(self.document.get("proxies"))[index])
        found = self.value(path)
        options = dict(found) if isinstance(found, Mapping) else {}
        for name in ("endpoint", "timeout", "enabled"):
            if text := self.environ.get(variable_of(f"{path}.{name}")):
                options[name] = text
        return options

    def _rules(self, section: str) -> Iterator[Rule]:
        path = f"{section}.without_namespace"
        found = self.value(path)
        variables = variable_of(path) + "_"
        given = {
            name.removeprefix(variables).lower(): text
            for name, text in self.environ.items()
            if name.startswith(variables) and text
        }
        yield Rule(path, "", {**(found if isinstance(found, Mapping) else {}), **given})
        for index, item in enumerate(_objects(self.value(f"{section}.namespaces"))):
            yield Rule(f"{section}.namespaces[{index}]", str(item.get("name", "")), item)


def is_true(value: Any) -> bool:
    """Whether a switch's value means on; the environment holds texts, as Go's ParseBool reads."""
    return value is True or (isinstance(value, str) and value.lower() in _TRUE)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
