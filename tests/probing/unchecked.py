"""The control: the same requests over the same source with its checks taken out, in a process of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec

import salus
from probing.asking import Answer, Asks

HERE = Path(__file__).parent


def ask_unchecked(folder: Path, asked: Asks, scratch: Path) -> list[Answer]:
    """What comes of the requests where nothing is checked; raises where a patch does not fit any more."""
    source = scratch / "source"
    shutil.copytree(Path(salus.__file__).parent, source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
    for patch in tomllib.loads((HERE / "unchecked.toml").read_text("utf-8"))["unchecked"]:
        path = source / patch["file"]
        text = path.read_text("utf-8")
        if text.count(patch["find"]) != 1:
            raise ValueError(f"a patch does not fit {patch['file']} any more")
        path.write_text(text.replace(patch["find"], patch["put"]), "utf-8")
    asks, answers = scratch / "asks", scratch / "answers"
    asks.write_bytes(msgspec.msgpack.encode(asked))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(source), str(HERE.parent))), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(HERE / "asking.py"), str(asks), str(folder), str(answers)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return msgspec.msgpack.decode(answers.read_bytes(), type=list[Answer])
