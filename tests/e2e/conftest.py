"""What the drills on real engines share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localnet_world import Members


@pytest.fixture
def world() -> Iterator[Members]:
    """Four members that run, in a folder whose path is short."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        made = Members(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.net.stop()
