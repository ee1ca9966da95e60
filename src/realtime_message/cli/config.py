"""`rtm config`: what is in force, whether it fits, and a file to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table

group = typer.Typer(
    name="config", help="Settings: what is in force, and whether it fits.", no_args_is_help=True
)


@group.command("show", short_help="Print the settings in force and their origins.")
def show(
    section: Annotated[
        str, typer.Argument(metavar="SECTION", help="Only this section, such as callback.")
    ] = "",
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the settings in force and where each value came from. Secrets are not shown."""
    from realtime_message.settings import redacted  # noqa: PLC0415 - --help needs none of it

    loaded = effective_settings(config, set_)
    values = {
        path: value
        for path, value in redacted(loaded).items()
        if not section or path.startswith(f"{section}.")
    }
    if not values:
        sections = dict.fromkeys(path.partition(".")[0] for path in loaded.origins)
        raise typer.BadParameter(f"there is no section {section}; there are {', '.join(sections)}")
    if as_json:
        print_json({p: {"value": v, "origin": loaded.origins[p]} for p, v in values.items()})
    else:
        rows = [(path, _shown(value), loaded.origins[path]) for path, value in values.items()]
        print_table(("setting", "value", "from"), rows)


@group.command("check", short_help="Check that the settings fit.")
def check(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PART", help="callback, worker, gateway, console; all by default."),
    ] = None,
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the settings fit, each alone and together. Exit code 3 if they do not."""
    from realtime_message.key_sets import check_token_keys  # noqa: PLC0415 - as above
    from realtime_message.settings import check_settings  # noqa: PLC0415 - as above
    from realtime_message.settings.checks import PARTS  # noqa: PLC0415 - as above

    unknown = [part for part in parts or () if part not in PARTS]
    if unknown:
        raise typer.BadParameter(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    checked = [part for part in PARTS if not parts or part in parts]
    loaded = effective_settings(config, set_)
    check_settings(loaded, *checked)
    if {"callback", "gateway"} & set(checked):
        check_token_keys(loaded.settings)
    if as_json:
        print_json({"ok": True, "parts": checked})
    else:
        print(f"the settings fit for {', '.join(checked)}")


@group.command("sample", short_help="Print a settings file with every default.")
def sample() -> None:
    """Print a settings file that shows every setting with its default."""
    from realtime_message.settings.reference import sample_file  # noqa: PLC0415 - as above

    print(sample_file(), end="")


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(
            " ".join(f"{k}={v}" for k, v in item.items()) if isinstance(item, dict) else str(item)
            for item in value
        )
    return str(value).lower() if isinstance(value, bool) else str(value)
