"""A rule, and how it is broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "realtime_message"


@dataclass(frozen=True)
class Mutation:
    """A change to the code that breaks a rule.

    Attributes:
        name: the part and what is broken, `fence.no_watch`.
        file: below src/realtime_message.
        old: text that stands there exactly once.
        new: what takes its place.
        why: what goes wrong then, in a user's words.
        tests: files or single tests, one of which must fail.
        is_short: whether it is tried in each run of the tests, being quick.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    is_short: bool = False

    def fault(self) -> str:
        """Return why it does not apply to the code as it is; empty if it does."""
        path = SOURCE / self.file
        if not path.exists():
            return f"{self.name}: there is no {self.file}"
        count = path.read_text("utf-8").count(self.old)
        if count != 1:
            return f"{self.name}: {self.old!r} stands {count} times in {self.file}"
        return ""

    def apply(self, package: Path) -> None:
        """Break the rule in a copy of the package."""
        path = package / self.file
        path.write_text(path.read_text("utf-8").replace(self.old, self.new), "utf-8")
