"""Writes what the chart's schema says about settings anew, from their declarations.

python deploy/kubernetes/refresh_schema.py
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.settings import Settings
from realtime_message.settings.declarations import all_settings

FILE = Path(__file__).parent / "chart/values.schema.json"

#: What the chart itself sets: ports and addresses that its Services and probes count on.
FIXED = {
    "callback.host",
    "callback.port",
    "gateway.host",
    "gateway.port",
    "gateway.api_url",
    "gateway.callback_url",
    "worker.id",
    "worker.total_workers",
    "worker.partitions",
    "worker.metrics_host",
    "worker.metrics_port",
}


def settings_schema() -> dict[str, Any]:
    """Return the schema of `settings`: no secrets, and nothing that the chart sets."""
    definitions = msgspec.json.schema(Settings)["$defs"]
    sections = {}
    for name, reference in definitions["Settings"]["properties"].items():
        section = definitions[reference["$ref"].rpartition("/")[2]]
        sections[name] = {
            "type": "object",
            "description": section["description"],
            "additionalProperties": False,
            "properties": {
                key: _plain(value, definitions)
                for key, value in section["properties"].items()
                if _belongs_here(f"{name}.{key}")
            },
        }
    return {
        "type": "object",
        "description": "Settings that are no secrets, by section.",
        "additionalProperties": False,
        "properties": sections,
    }


def _belongs_here(path: str) -> bool:
    return path not in FIXED and not all_settings()[path].is_secret


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema without references and defaults, with patterns as Go reads them."""
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    plain = {
        key: _plain(value, definitions)
        for key, value in schema.items()
        if key not in ("default", "title")
    }
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = plain["pattern"].replace(r"\Z", "$")
    return plain


def main() -> None:
    """Replace that part of the file."""
    document = json.loads(FILE.read_text("utf-8"))
    document["properties"]["settings"] = settings_schema()
    FILE.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
