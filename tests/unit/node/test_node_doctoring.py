"""What `node doctor` says of blocks that this node and the others keep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from salus.node.operating.checking import Findings
from salus.node.operating.doctoring import doctor
from world import World, served, thread


class Keeping:
    """A node that says that its blocks begin above ``base``, and that it is at ``height``."""

    def __init__(self, node: Any, base: int, height: int = 0) -> None:
        self._node, self._base, self._height = node, base, height

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def status(self) -> Any:
        status = self._node.status()
        return replace(status, base=self._base, height=self._height or status.height)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with thread(tmp_path / "home") as made:
        yield made


@contextmanager
def found(world: World, own: Keeping, other: Keeping | None = None) -> Iterator[dict[str, str]]:
    """The codes by what was looked at, where ``other`` is a node that the configuration names."""
    path, member = world.home / "node" / "config.toml", world.node.status().member.hex()
    before = path.read_bytes() if path.exists() else b""
    with served(other or own) as url:
        if other is not None:
            path.write_text(f'[members]\n{member} = "{url}"\n', "utf-8")
        findings = doctor(Findings(), world.home, world.node.genesis(), world.clock.now, own)
        path.write_bytes(before)
        yield {one.what: one.code for one in findings}


def test_a_network_of_which_nobody_who_answers_has_all_blocks_is_warned_of(world: World) -> None:
    """NET-62."""
    node = world.node
    with found(world, Keeping(node, 0)) as codes:
        assert codes["archive"] == ""
    with found(world, Keeping(node, 5)) as codes:
        assert codes["archive"] == "node/no-archive"
    with found(world, Keeping(node, 5), Keeping(node, 0)) as codes:
        assert codes["archive"] == ""
    with found(world, Keeping(node, 5), Keeping(node, 7)) as codes:
        assert codes["archive"] == "node/no-archive"


def test_a_node_that_was_away_for_longer_than_the_others_keep_blocks_is_told_to_begin_again(world: World) -> None:
    """NET-62."""
    node = world.node
    with found(world, Keeping(node, 0, 100), Keeping(node, 150, 200)) as codes:
        assert codes["behind"] == "node/left-behind"
    with found(world, Keeping(node, 0, 100), Keeping(node, 100, 200)) as codes:
        assert codes["behind"] == "node/behind"
    with found(world, Keeping(node, 0, 100), Keeping(node, 50, 100)) as codes:
        assert codes["behind"] == ""


def test_a_clock_that_differs_from_the_others_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-102."""
    with found(world, Keeping(world.node, 0), Keeping(world.node, 0)) as codes:
        assert codes["clocks"] == ""
    for off in (-90, 90):
        monkeypatch.setattr("salus.exchange.client.time", SimpleNamespace(time=lambda off=off: time.time() + off))
        with found(world, Keeping(world.node, 0), Keeping(world.node, 0)) as codes:
            assert codes["clocks"] == "node/clock-off"
