"""Fixtures for the worlds that tests share; every agent test runs in process and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from world import World, thread


@pytest.fixture(params=["in-process", "http"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A patient with a record, two licensed physicians; the node in process, or behind a socket."""
    with thread(tmp_path / "home", http=request.param == "http") as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By ``--dist loadgroup`` a file stays with one worker, and all drills on real engines with one: two at once take long."""
    for item in items:
        place = item.path.relative_to(item.config.rootpath)
        item.add_marker(pytest.mark.xdist_group("engines" if "e2e" in place.parts else str(place)))
