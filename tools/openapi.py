"""Write ``spec/openapi.json`` anew: what a node answers at ``/v1/openapi.json``, for whoever wants to read it without a node."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from salus.node.api import described

PLACE = Path(__file__).parents[1] / "spec" / "openapi.json"


def text() -> str:
    """The document as it is kept."""
    return json.dumps(described(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), "utf-8")
    sys.exit(0)
