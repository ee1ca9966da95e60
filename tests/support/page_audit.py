"""Checks of a page as it stands: contrast, widths, sizes, focus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def audit(page: Page, check: str) -> Any:
    """Run one of the checks of page_audit.js; a list of complaints, where it gives one."""
    page.evaluate(f"window.pageAudit || (() => {{ {_SCRIPT} }})()")
    return page.evaluate(f"pageAudit.{check}()")
