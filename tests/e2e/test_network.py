"""Members on real CometBFT: four of them as processes of their own, while one after the other is killed or stands still.

A new key, a lost disk, a damaged ledger (NET-17, NET-18), and a fifth member that comes by votes and goes again are in the guide
to a network, which is followed beside this one; the stories that tell the same at length run by `make members`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from localnet_world import on_comet
from started import with_salus

ROOT = Path(__file__).parents[2]


pytestmark = on_comet


def test_members_tell_the_story_on_real_engines() -> None:
    """NET-1, NET-3, NET-9, NET-10: nothing acknowledged is lost, nobody's blocks part, whoever is killed."""
    done = subprocess.run(["examples/network.sh"], cwd=ROOT, env=with_salus(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "each as expected" in done.stdout
