"""Settings as people see them: without secrets, and documented."""

import tomllib
from pathlib import Path

import pytest

from realtime_message.settings import Settings, load_settings, redacted
from realtime_message.settings.declarations import all_settings
from realtime_message.settings.masking import mask
from realtime_message.settings.reference import markdown_reference, sample_file

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", ""),
        ("hunter2", "***"),
        ("redis://localhost:6379", "redis://localhost:6379"),
        ("redis://:hunter2@host:1/0", "redis://:***@host:1/0"),
        ("rediss://ada:hun@ter:2/@host", "rediss://ada:***@host"),
        ("redis://host?password=hunter2&db=1", "redis://host?password=***&db=1"),
        (
            "redis+sentinel://a?sentinel_password=hunter2",
            "redis+sentinel://a?sentinel_password=***",
        ),
        (
            "redis+sentinel://a:1,b:2/n?sentinel_password=hun@ter2",
            "redis+sentinel://a:1,b:2/n?sentinel_password=***",
        ),
        ("redis+cluster://ada:hunter2@a:1,b:2", "redis+cluster://ada:***@a:1,b:2"),
    ],
)
def test_mask_keeps_only_what_may_be_seen(secret: str, shown: str) -> None:
    """Of a URL the address stays, of anything else nothing."""
    assert mask(secret) == shown


def test_no_way_of_printing_settings_shows_a_secret() -> None:
    """repr, str, rich and the redacted form mask every setting declared a secret."""
    flags = {p: "redis://:hunter2@h" for p, s in all_settings().items() if s.is_secret}
    assert len(flags) >= 4
    loaded = load_settings({}, flags=flags, search_file=False)
    for shown in (
        repr(loaded),
        str(loaded.settings),
        f"{loaded.settings.callback}",
        str(loaded.settings.redis.__rich_repr__()),
        str(redacted(loaded)),
    ):
        assert "hunter2" not in shown
        assert "***" in shown


def test_every_setting_has_help_that_ends_a_sentence() -> None:
    """Operators decide from the help."""
    assert not [path for path, setting in all_settings().items() if not setting.help.endswith(".")]


def test_names_of_settings_carry_their_unit() -> None:
    """Seconds end in _seconds and bytes in _bytes, and say so."""
    for path, setting in all_settings().items():
        if setting.unit in ("seconds", "bytes"):
            assert path.endswith(f"_{setting.unit}")
        assert not path.endswith("_ms")


def test_sample_file_is_toml_and_shows_every_default() -> None:
    """With its values uncommented, the sample means the defaults."""
    sample = sample_file()
    assert load_settings({}, search_file=False).settings == Settings()
    assert all(not table for table in tomllib.loads(sample).values())
    uncommented = "\n".join(
        line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line
        for line in sample.splitlines()
    )
    tables = tomllib.loads(uncommented)
    found = {f"{section}.{name}" for section, table in tables.items() for name in table}
    assert found == set(all_settings())


def test_uncommented_sample_loads_to_the_defaults(tmp_path: Path) -> None:
    """Every default in the sample fits its own setting."""
    lines = [
        line.removeprefix("#") if not line.startswith("# ") else ""
        for line in sample_file().splitlines()
    ]
    file = tmp_path / "sample.toml"
    file.write_text("\n".join(lines), "utf-8")
    assert load_settings({}, file=file).settings == Settings()


def test_reference_page_is_the_generated_one() -> None:
    """docs/reference/settings.md is what scripts/reference writes now."""
    page = PROJECT / "docs/reference/settings.md"
    assert page.read_text("utf-8") == markdown_reference(), "run ./scripts/reference"
