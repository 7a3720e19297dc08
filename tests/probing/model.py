"""Who may what: a table, and nothing of the product's code.

The vault decides what is *fetched* (`served`), keys decide what is *opened* (`opened`). The two differ on purpose: a device that
was taken off still signs as the owner, and so fetches ciphertext that it does not open; staff fetches by its own name and opens
nothing, since the practice's keys stay with the practice; who was refused keeps the keys to what could be opened before.
"""

from __future__ import annotations

from probing.world import DOCUMENTS, GRANTED, HERS, OWN_KINDS, TAKEN, K, State, Wave

S, W = State, Wave
PACKAGE = "key package"
ALL = frozenset(Wave)
ONWARD = frozenset({W.BETWEEN, W.AFTER, W.WRITTEN})
UPTO = frozenset({W.BEFORE, W.BETWEEN, W.WRITTEN})
FIRST, OWN_NOTE = frozenset({W.BEFORE}), frozenset({W.WRITTEN})
NOTHING = frozenset[Wave]()

#: In these states a vault serves. A device that was taken off is the owner to it (threat model: it has the seed).
LIVE = frozenset({S.OWN, S.GRANTED, S.DELEGATED, S.REMOVED})

#: role: kinds of section, waves of entries, and whether key packages, while it is in a live state
SERVED = {
    "snapshot reader": (GRANTED, FIRST, False),
    "standing reader": (GRANTED, ALL, True),
    "reader from now on": (GRANTED, ONWARD, True),
    "organisation": (GRANTED, ALL, True),
    "nurse": (tuple(kind for kind in GRANTED if kind is not K.COVERAGE), ALL, True),
    "receptionist": ((K.DEMOGRAPHICS, K.COVERAGE), ALL, True),
    "locum": (GRANTED, FIRST, False),
    "deputy": (GRANTED, FIRST, False),
    "relative": (GRANTED, FIRST, False),
    "author": (DOCUMENTS, OWN_NOTE, True),
    "reading author": (DOCUMENTS, FIRST | OWN_NOTE, True),
    "author's colleague": (DOCUMENTS, FIRST, False),
    "reader of before": ((TAKEN,), ALL, True),
}
#: role: kinds of section of which it has the owner's key
OWNED = {
    "owner": OWN_KINDS,
    "second device": OWN_KINDS,
    "removed device": OWN_KINDS,
    "organisation": (K.RECORDS,),
    "another patient": (HERS,),
    "recovered owner": (TAKEN,),
}
#: Who runs the node: has its key or the member's authority, the mailbox's id, and no wallet.
OPERATING = ("operator", "authority")
#: role: kinds of section, waves of entries of the patient's that its bytes open, with all ciphertext at hand; by state where
#: that counts. Of notes an author opens its own alone.
OPENED = {
    "owner": (OWN_KINDS, {}, ALL),
    "second device": (OWN_KINDS, {}, ALL),
    "removed device": (OWN_KINDS, {}, UPTO),
    "snapshot reader": (GRANTED, {S.NOT_YET: NOTHING}, FIRST),
    "standing reader": (GRANTED, {S.EXPIRED: UPTO, S.REVOKED: UPTO}, ALL),
    "reader from now on": (GRANTED, {S.EXPIRED: UPTO & ONWARD, S.REVOKED: UPTO & ONWARD}, ONWARD),
    "organisation": (GRANTED, {}, ALL),
    "locum": (GRANTED, {}, FIRST),
    "deputy": (GRANTED, {}, FIRST),
    "relative": (GRANTED, {}, FIRST),
    "unlicensed": (GRANTED, {}, FIRST),
    "author": (DOCUMENTS, {}, OWN_NOTE),
    "reading author": (DOCUMENTS, {}, FIRST | OWN_NOTE),
    "author's colleague": (DOCUMENTS, {}, FIRST),
    "reader of before": ((TAKEN,), {}, FIRST),
    "thief": ((TAKEN,), {}, FIRST),
}


def owns(role: str, state: State, place: str) -> bool:
    """Whether it signs as the section's owner: for all entries and receipts, and for what changes the section."""
    return state in LIVE and place in OWNED.get(role, ())


def serves(role: str, state: State, place: str, target: str) -> bool:
    """Whether the vault serves an entry of this wave, or a key package, to a request that is as it should be."""
    kinds, waves, packages = SERVED.get(role, ((), NOTHING, False))
    granted = state in LIVE and place in kinds and (packages if target == PACKAGE else target in waves)
    return granted or owns(role, state, place)


def told(role: str, state: State, target: str) -> bool:
    """Whether its warrant holds, so that it is told whether an entry that the warrant does not cover is there."""
    return state in LIVE and role in SERVED and target != PACKAGE


def appends(role: str, state: State, place: str) -> bool:
    """Whether the ledger takes an entry from it; it asks for no licence, whose lack marks the entry for all who read it."""
    writes = role in ("author", "reading author") and state in (S.GRANTED, S.SUSPENDED) and place in DOCUMENTS
    return writes or owns(role, state, place)


def opens(role: str, state: State, place: str, wave: Wave, *, own: bool) -> bool:
    """Whether its bytes open an entry of this wave; ``own``: of a note, whether it wrote this one."""
    if place in OWNED.get(role, ()) and place not in OWN_KINDS:
        return True
    kinds, by_state, waves = OPENED.get(role, ((), {}, NOTHING))
    authors = "author" in role and wave is W.WRITTEN
    return place in kinds and wave in by_state.get(state, waves) and (own or not authors)
