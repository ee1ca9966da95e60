"""What `rtm doctor` says in words."""

import pytest

from realtime_message.cli.doctor import _print
from realtime_message.doctor.examination import Checked
from realtime_message.doctor.findings import Finding, counted, error, note, warning


@pytest.mark.parametrize(
    ("findings", "mark"),
    [
        ([], "ok"),
        ([note("so it is")], "ok"),
        ([warning("odd", "why", "fix it"), note("so it is")], "warning"),
        ([error("bad", "why", "fix it"), warning("odd", "why", "fix it")], "error"),
    ],
)
def test_check_is_called_after_its_gravest_finding(
    findings: list[Finding], mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One word beside each check says whether to read on."""
    checked = [Checked(check="secrets", outcome="done", took_seconds=0.0, findings=findings)]
    _print(checked, is_verbose=False)
    assert capsys.readouterr().out.splitlines()[0] == f"secrets: {mark}"


def test_numbers_and_words_agree() -> None:
    """One error is no errors."""
    assert [counted(n, "error", "errors") for n in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
