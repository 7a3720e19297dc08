"""Generated protocol code is what our own definitions give, as `make proto` makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
DEFINITIONS = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.proto"))


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_generated_code_has_not_drifted_from_its_definition(definition: str, tmp_path: Path) -> None:
    out = (f"--python_out={tmp_path}", f"--pyi_out={tmp_path}")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCE}", *out, definition], check=True, cwd=SOURCE)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 2
    for path in made:
        assert path.read_bytes() == (SOURCE / path.relative_to(tmp_path)).read_bytes()


def test_there_are_definitions() -> None:
    assert len(DEFINITIONS) == 2
