"""The tables of the package, read once."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=4)
def table(name: str) -> dict[str, Any]:
    """The table ``name``, as it stands in ``facts/``."""
    return tomllib.loads((files("salus.clinical") / "facts" / f"{name}.toml").read_text("utf-8"))
