"""Members come from genesis; nothing can be asked of them yet."""

from __future__ import annotations

from salus.codec import encode
from salus.crypto.signing import require_sound_key
from salus.ledger.genesis import Genesis, member_id
from salus.ledger.module import Module
from salus.ledger.modules.members.state import Member, member_key
from salus.ledger.store import Overlay


def _found(state: Overlay, genesis: Genesis) -> None:
    for entry in genesis.members:
        require_sound_key(entry.authority)
        require_sound_key(entry.node)
        state.put(member_key(member_id(entry.authority)), encode(Member(entry.authority, entry.node, entry.rights)))


MODULE = Module("members", found=_found)
