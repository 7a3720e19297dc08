"""Members on real CometBFT: four of them as processes of their own, while one after the other is killed or stands still."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from salus.errors import NodeRefused
from salus.node.comet.binary import find_engine

ROOT = Path(__file__).parents[2]


def engine() -> Path | None:
    """CometBFT, where it was built."""
    try:
        return find_engine()
    except NodeRefused:
        return None


@pytest.mark.slow
@pytest.mark.skipif(engine() is None, reason="CometBFT is not built: `make engine` (needs Go)")
def test_four_members_tell_the_story_while_one_after_the_other_is_killed() -> None:
    """NET-1, NET-3, NET-9, NET-10: nothing acknowledged is lost, nobody's blocks part."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(["examples/network.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "each as expected" in done.stdout
