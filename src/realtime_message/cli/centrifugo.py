"""`rtm centrifugo`: the configuration of the real gateway, getting it, and running it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_message.cli.become import become
from realtime_message.cli.options import (
    ConfigOption,
    JsonOption,
    SetOption,
    data_folder,
    effective_settings,
)
from realtime_message.cli.output import print_json

if TYPE_CHECKING:
    from realtime_message.centrifugo.configuration_review import Finding
    from realtime_message.settings import LoadedSettings

group = typer.Typer(
    name="centrifugo",
    help="Centrifugo: its configuration, getting it, and running it.",
    no_args_is_help=True,
)

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="A configuration of your own; by default ours."),
]


@group.command("config", short_help="Make Centrifugo's configuration from the settings.")
def config_(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write it there instead of printing it; as YAML if its name ends in .yaml.",
        ),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make the configuration of Centrifugo v6 from the settings.

    It holds no secret: Centrifugo gets those from its environment, CENTRIFUGO_HTTP_API_KEY,
    CENTRIFUGO_VAR_CALLBACK_SECRET and CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY.
    """
    # Imported here: --help needs none of it.
    from realtime_message.stack.gateway_launch import (  # noqa: PLC0415
        gateway_configuration,
        write_configuration,
    )

    if output is not None and output.suffix not in ("", ".json", ".yaml", ".yml"):
        # Centrifugo goes by the suffix, too.
        raise typer.BadParameter(
            f"--output {output}: JSON and YAML are written here, so the name must end in .json, "
            ".yaml or .yml"
        )
    settings = effective_settings(config, set_).settings
    if output is None:
        print_json(gateway_configuration(settings))
    else:
        write_configuration(settings, output)
        print(f"wrote {output}")


@group.command("check", short_help="Check a Centrifugo configuration against the settings.")
def check(
    file: FileArgument = None,
    *,
    with_centrifugo: Annotated[
        bool,
        typer.Option(
            "--with-centrifugo", help="Let Centrifugo's own strict check look at it as well."
        ),
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a Centrifugo v6 configuration (JSON or TOML) against the settings.

    Finds what Centrifugo itself lets pass: time-outs, proxies that are never called, secrets,
    ports, names of earlier versions. Exit code 1 if something has to be fixed, 0 if there are
    warnings at most.
    """
    # Imported here, as above.
    from realtime_message.stack.configuration_check import (  # noqa: PLC0415
        check_document,
        read_document,
    )
    from realtime_message.stack.gateway_launch import gateway_configuration  # noqa: PLC0415

    loaded = effective_settings(config, set_)
    document = read_document(file) if file else gateway_configuration(loaded.settings)
    findings = check_document(document, loaded, os.environ)
    if with_centrifugo:
        findings += _asked_centrifugo(file, loaded)
    is_wrong = any(finding.severity == "error" for finding in findings)
    if as_json:
        print_json({"ok": not is_wrong, "findings": findings})
    else:
        for finding in findings:
            print(f"{finding.severity}: {finding.where}: {finding.what}\n    fix: {finding.fix}")
        if not findings:
            print(f"{file or 'the configuration'} fits the settings")
    raise typer.Exit(1 if is_wrong else 0)


@group.command("install", short_help="Download the official release and verify it.")
def install(
    *,
    version: Annotated[
        str, typer.Option(metavar="VERSION", help="Which version; by default the tested one.")
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to; by default a folder of yours that rtm looks into."
        ),
    ] = None,
    mirror: Annotated[
        str, typer.Option(metavar="URL", help="Where releases are; by default GitHub.")
    ] = "",
    sha256: Annotated[
        str,
        typer.Option(
            metavar="HEX", help="What the archive must have; by default the release's own checksum."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Download the official release for this machine and verify its checksum. It is not run."""
    # Imported here, as above.
    from realtime_message.stack.centrifugo_release import (  # noqa: PLC0415
        DEFAULT_VERSION,
        OFFICIAL_RELEASES,
        find_release,
    )
    from realtime_message.stack.centrifugo_release import install as fetch  # noqa: PLC0415
    from realtime_message.stack.install_folder import install_folder  # noqa: PLC0415

    folder = to or install_folder(os.environ)
    if folder is None:
        raise typer.BadParameter("neither XDG_DATA_HOME nor HOME is set: give a folder with --to")
    release = find_release(version or DEFAULT_VERSION, mirror or OFFICIAL_RELEASES)
    print(f"downloading {release.archive_url}", file=sys.stderr)
    installed = fetch(release, folder, sha256=sha256)
    if as_json:
        print_json(installed)
        return
    print(f"installed Centrifugo {installed.version} as {installed.path}")
    print(f"verified by: {installed.verified_by} (SHA-256 {installed.sha256})")
    if to is not None:
        print(f"for rtm to find it: RTM_CENTRIFUGO_BIN={installed.path}")


@group.command("run", short_help="Run Centrifugo, configured by the settings.")
def run(
    file: FileArgument = None,
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run Centrifugo from RTM_CENTRIFUGO_BIN, `rtm centrifugo install` or PATH.

    It is configured by the settings, or by a file of your own; its secrets come from the settings.
    """
    # Imported here, as above.
    from realtime_message.settings import check_settings  # noqa: PLC0415
    from realtime_message.stack.configuration_check import readable_file  # noqa: PLC0415
    from realtime_message.stack.gateway_launch import (  # noqa: PLC0415
        find_centrifugo,
        gateway_environment,
        write_configuration,
    )

    loaded = effective_settings(config, set_)
    check_settings(loaded, "gateway")
    program = find_centrifugo(os.environ)
    if file is None:
        folder = data_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "centrifugo.json"
        write_configuration(loaded.settings, path)
    else:
        path = readable_file(file)
    become([str(program), "-c", str(path)], gateway_environment(loaded.settings, os.environ))


def _asked_centrifugo(file: Path | None, loaded: LoadedSettings) -> list[Finding]:
    # Imported here, as above.
    from realtime_message.stack.configuration_check import ask_centrifugo  # noqa: PLC0415
    from realtime_message.stack.gateway_launch import (  # noqa: PLC0415
        find_centrifugo,
        write_configuration,
    )

    program = find_centrifugo(os.environ)
    if file is not None:
        return ask_centrifugo(program, file, loaded, os.environ)
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "centrifugo.json"
        write_configuration(loaded.settings, ours)
        return ask_centrifugo(program, ours, loaded, os.environ)
