"""What was looked at before a medicine is prescribed or handed over: the lists, and each check as a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from salus.cli.output import emit, table
from salus.errors import Misused


def require_reason(reason: str) -> str:
    """The reason of an override, or ""; refused where it is none of the codes."""
    from salus.clinical.overriding import Override

    codes = [one.value for one in Override]
    if reason and reason not in codes:
        raise Misused("usage", f"--override is one of: {', '.join(codes)}")
    return reason


def refuse_unsafe(error: Any, as_json: bool) -> NoReturn:
    """Show what stands in the way, and fail."""
    if as_json:
        emit(True, {"error": {"code": error.full_code, "text": error.text}, "safety": error.safety}, "")
        raise typer.Exit(1)
    emit(False, None, safety_text(error.safety))
    raise error


def safety_text(safety: Any) -> str:
    """The lists and the checks, as people read them."""
    return lists_text(safety.allergies, safety.medication) + "\n" + checks_text(safety.checks)


def lists_text(allergies: Sequence[str], medication: Sequence[str]) -> str:
    """What is known of allergies and medication; that nothing is, where that is so."""
    return "\n".join(
        f"{name}: {'; '.join(items) if items else 'none is known here'}"
        for name, items in (("allergies", allergies), ("current medication", medication))
    )


def checks_text(checks: Sequence[Any]) -> str:
    """Each check as a row: what stands in the way in capitals."""
    rows = [(check.what, check.result, check.text.upper() if check.blocks else check.text) for check in checks]
    return table(("check", "result", ""), rows, "") if rows else ""
