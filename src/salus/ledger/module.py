"""What a ledger module is: for each message, the keys that must have signed it, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.genesis import Genesis
from salus.ledger.store import Overlay, Reader


@dataclass(frozen=True)
class Handler:
    """``keys``: who must sign, from state and message. ``apply``: checks, then writes. Both raise `LedgerRefused`."""

    keys: Callable[[Reader, Any], tuple[VerifyKey, ...]]
    apply: Callable[[Context, Any], None]


@dataclass(frozen=True)
class Module:
    """``due`` handles the module's deadlines by kind; ``misbehaved`` hears the address of each validator that was caught."""

    name: str
    handlers: Mapping[type, Handler] = field(default_factory=dict)
    found: Callable[[Overlay, Genesis], None] | None = None
    due: Mapping[str, Callable[[Context, bytes], None]] = field(default_factory=dict)
    misbehaved: Callable[[Context, bytes], None] | None = None
