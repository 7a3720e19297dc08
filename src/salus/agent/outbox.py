"""How long what is not urgent waits before it is signed, so that the ledger does not show what came from what.

On a ledger of several members everybody sees when entries arrive. Notes and revocations never wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from salus.errors import AgentRefused
from salus.ids import Millis

_HOUR = 3_600_000  # ms

Hours = Annotated[float, msgspec.Meta(ge=0, le=168)]


class Outbox(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``outbox.toml``: a retained copy waits a random time between ``shortest_hours`` and ``longest_hours``; 0 and 0: none.

    ``look_seconds``: how often a serving home looks whether something is due.
    """

    shortest_hours: Hours = 1.0
    longest_hours: Hours = 12.0
    look_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 300

    def window(self, now: int) -> tuple[Millis, Millis]:
        """Between which moments something that is ready ``now`` becomes due."""
        return Millis(now + int(self.shortest_hours * _HOUR)), Millis(now + int(self.longest_hours * _HOUR))


def read_outbox(path: Path) -> Outbox:
    """The setting in ``path``, or the defaults where there is no file; `AgentRefused` ``bad-outbox`` otherwise."""
    if not path.exists():
        return Outbox()
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Outbox)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AgentRefused("bad-outbox", f"{path.name}: {error}") from error
    if not found.shortest_hours <= found.longest_hours:  # also where one is no number
        raise AgentRefused("bad-outbox", f"{path.name}: shortest_hours is more than longest_hours")
    return found
