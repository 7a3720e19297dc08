"""The story of `make run`: it checks what it says, and stops where a claim is untrue."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from salus.demo.stage import Stage
from salus.demo.story import play
from salus.errors import ClaimFailed, LedgerRefused


def silent_stage() -> Stage:
    return Stage(Console(file=io.StringIO()))


def test_the_story_is_true_and_leaves_its_home_where_it_is_asked_to(tmp_path: Path) -> None:
    stage = silent_stage()
    play(stage, tmp_path / "kept")
    assert stage.claims >= 18
    assert (tmp_path / "kept" / "genesis.bin").exists()


def test_an_untrue_claim_stops_the_story() -> None:
    stage = silent_stage()
    with pytest.raises(ClaimFailed):
        stage.claim("the moon is cheese", False)

    def refuse() -> None:
        raise LedgerRefused("expired", "x")

    stage.refused("refused as said", "ledger/expired", refuse)
    for act in (refuse, lambda: None):
        with pytest.raises(ClaimFailed):
            stage.refused("refused otherwise, or not at all", "ledger/replayed", act)
    assert stage.claims == 1
