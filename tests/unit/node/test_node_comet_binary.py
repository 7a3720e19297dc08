"""The engine's program is found where it should be, and only the pinned build is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.errors import NodeRefused
from salus.node.comet.binary import BUILT, CHECKOUT, SUM, VERSION, find_engine


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SALUS_ENGINE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def program(path: Path, text: bytes = b"\x7fELF..." + BUILT + b"...") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o755)
    return path


def code(checkout: Path) -> str:
    with pytest.raises(NodeRefused) as refused:
        find_engine(checkout)
    return refused.value.code


def test_without_an_engine_it_is_said_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(NodeRefused, match="make engine") as refused:
        find_engine(tmp_path)
    assert refused.value.code == "no-engine"


def test_an_engine_is_found_in_the_checkout_and_in_the_path_and_a_named_one_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = program(tmp_path / "bin" / "cometbft")
    assert find_engine(tmp_path) == installed
    built = program(tmp_path / ".engine" / "cometbft")
    assert find_engine(tmp_path) == built
    named = program(tmp_path / "named")
    monkeypatch.setenv("SALUS_ENGINE", str(named))
    assert find_engine(tmp_path) == named


def test_a_named_engine_that_is_not_there_is_not_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / ".engine" / "cometbft")
    monkeypatch.setenv("SALUS_ENGINE", str(tmp_path / "absent"))
    assert code(tmp_path) == "no-engine"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"CometBFT v0.40.0",
        BUILT.replace(b"v0.40.0", b"v0.39.4"),
        BUILT.replace(SUM.encode(), b"h1:" + b"A" * 43 + b"="),
        BUILT.removesuffix(b"dep\t") + b"=>\tother.example/comet\tv0.40.0\t\ndep\t",
    ],
    ids=["empty", "its own word", "another version", "another sum", "another source in its place"],
)
def test_another_build_is_refused(tmp_path: Path, text: bytes) -> None:
    program(tmp_path / ".engine" / "cometbft", text)
    assert code(tmp_path) == "wrong-engine"


def test_the_pinned_sum_is_the_one_that_make_engine_builds_by() -> None:
    assert f"github.com/cometbft/cometbft {VERSION} {SUM}" in (CHECKOUT / "tools" / "engine" / "go.sum").read_text().splitlines()
