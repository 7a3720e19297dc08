"""What happens to sections. Each handler: checks, then writes."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.sections.messages import (
    AdmitWriter,
    AppendEntry,
    CreateSection,
    Entomb,
    Epoch,
    HandOver,
    RemoveWriter,
    Rewrite,
    Rotate,
)
from salus.ledger.modules.sections.queries import entry, section, writer
from salus.ledger.modules.sections.state import (
    BLOBS,
    MAX_OWNERS,
    TOMBSTONES,
    Entry,
    OwnerSince,
    Place,
    Section,
    Tombstone,
    Writer,
    blob_key,
    commit_owner,
    current_epoch,
    entry_key,
    epoch_key,
    schedule_hash,
    section_id,
    section_key,
    tombstone_key,
    writer_key,
)
from salus.ledger.store import Reader

HOUR = 3_600_000


def _creator(reader: Reader, message: CreateSection) -> tuple[VerifyKey, ...]:
    return (VerifyKey(message.owner),)


def _create(context: Context, message: CreateSection) -> None:
    require_sound_key(message.owner)
    identity = section_id(context.network, message.owner, message.next_owner)
    if context.state.get(section_key(identity)) is not None:
        raise LedgerRefused("section-exists", "the section exists already")
    first = message.schedule[0]
    if first.number != 0 or first.activation > context.time:
        raise LedgerRefused("bad-schedule", "the first epoch is number 0 and has begun")
    _require_in_order(message.schedule, context.time)
    since = OwnerSince(message.owner, context.time, context.height)
    context.put(section_key(identity), Section(message.next_owner, message.schedule, 0, (since,)))
    _put_epochs(context, identity, message.schedule)


def _owner(reader: Reader, message: AdmitWriter | RemoveWriter | Rotate | Rewrite | Entomb) -> tuple[VerifyKey, ...]:
    return (VerifyKey(section(reader, message.section).owner),)


def _appender(reader: Reader, message: AppendEntry) -> tuple[VerifyKey, ...]:
    return (VerifyKey(message.writer),)


def _append(context: Context, message: AppendEntry) -> None:
    found = section(context.state, message.section)
    if message.epoch != current_epoch(found.schedule, context.time).number:
        raise LedgerRefused("epoch-closed", "seal the entry to the current epoch and append again")
    _require_new(context, message.blob)
    if message.writer != found.owner:
        _spend(context, message, found)
    number = found.count
    context.put(
        entry_key(message.section, number),
        Entry(
            number,
            message.epoch,
            message.writer,
            message.blob,
            message.size,
            context.time,
            context.height,
            0,
            message.commitment,
            0,
        ),
    )
    context.put(blob_key(message.section, message.blob), Place(number))
    context.put(section_key(message.section), msgspec.structs.replace(found, count=number + 1))


def _require_new(context: Context, blob: bytes) -> None:
    if _stands(context, BLOBS, blob):
        raise LedgerRefused("blob-held", "a section holds this blob already")
    if _stands(context, TOMBSTONES, blob):
        raise LedgerRefused("blob-erased", "this blob was erased and does not come back")


def _stands(context: Context, where: bytes, blob: bytes) -> bool:
    """Whether any section holds the blob, or has buried it: nobody keeps alive by it what another one erases."""
    first = where + blob + b"/"
    return next(context.state.keys(first, first + b"\xff" * 33), None) is not None


def _spend(context: Context, message: AppendEntry, found: Section) -> None:
    """A hand-over ends every writer that was admitted before it, as it voids every warrant."""
    allowed = writer(context.state, message.section, message.writer)
    before = len(found.owners) > 1 and allowed.admitted <= found.owners[-1].time
    if allowed.removed or before or context.time >= allowed.expires:
        raise LedgerRefused("writer-ended", "this writer's right has ended")
    used = msgspec.structs.replace(allowed, used_entries=allowed.used_entries + 1, used_size=allowed.used_size + message.size)
    if used.used_entries > used.entries or used.used_size > used.size:
        raise LedgerRefused("writer-limit", "this writer has used up what it may append")
    context.put(writer_key(message.section, message.writer), used)


def _admit(context: Context, message: AdmitWriter) -> None:
    require_sound_key(message.writer)
    if context.state.get(writer_key(message.section, message.writer)) is not None:
        raise LedgerRefused("writer-exists", "this key was admitted before")
    context.put(
        writer_key(message.section, message.writer),
        Writer(message.entries, message.size, message.expires, 0, 0, context.time, 0),
    )


def _remove(context: Context, message: RemoveWriter) -> None:
    allowed = writer(context.state, message.section, message.writer)
    if allowed.removed:
        raise LedgerRefused("writer-ended", "this writer was removed before")
    context.put(writer_key(message.section, message.writer), msgspec.structs.replace(allowed, removed=context.time))


def _rotate(context: Context, message: Rotate) -> None:
    found = section(context.state, message.section)
    if message.previous != schedule_hash(found.schedule):
        raise LedgerRefused("schedule-changed", "another device changed the schedule; read it and rotate again")
    if message.schedule[0] != current_epoch(found.schedule, context.time):
        raise LedgerRefused("bad-schedule", "a schedule begins with the epoch that is current")
    _require_in_order(message.schedule, context.time)
    context.put(section_key(message.section), msgspec.structs.replace(found, schedule=message.schedule))
    for number in range(message.schedule[-1].number + 1, found.schedule[-1].number + 1):
        context.state.remove(epoch_key(message.section, number))
    _put_epochs(context, message.section, message.schedule[1:])


def _require_in_order(schedule: tuple[Epoch, ...], now: int) -> None:
    for before, after in pairwise(schedule):
        if after.number != before.number + 1 or after.activation <= before.activation:
            raise LedgerRefused("bad-schedule", "epochs are numbered without gaps and begin one after the other")
        if after.activation > now and after.activation % HOUR:
            raise LedgerRefused("bad-schedule", "planned epochs begin on full UTC hours")


def _put_epochs(context: Context, identity: bytes, schedule: tuple[Epoch, ...]) -> None:
    for epoch in schedule:
        context.put(epoch_key(identity, epoch.number), epoch)


def _successor(reader: Reader, message: HandOver) -> tuple[VerifyKey, ...]:
    return (VerifyKey(message.owner),)


def _hand_over(context: Context, message: HandOver) -> None:
    found = section(context.state, message.section)
    require_sound_key(message.owner)
    if commit_owner(message.owner) != found.next_owner:
        raise LedgerRefused("not-committed", "this is not the key that the section committed to")
    if len(found.owners) == MAX_OWNERS:
        raise LedgerRefused("too-many-owners", "the section has been handed over too often")
    owners = (*found.owners, OwnerSince(message.owner, context.time, context.height))
    context.put(
        section_key(message.section),
        msgspec.structs.replace(found, owners=owners, next_owner=message.next_owner),
    )


def _rewrite(context: Context, message: Rewrite) -> None:
    """The epoch stays: what is left of an entry is for nobody who did not have all of it."""
    found = _standing(context, message)
    if message.before != found.blob:
        raise LedgerRefused("entry-changed", "another device has rewritten the entry; read it and rewrite it again")
    _require_new(context, message.blob)
    _bury(context, message.section, found)
    changed = msgspec.structs.replace(found, blob=message.blob, size=message.size, rewritten=context.time)
    context.put(entry_key(message.section, message.number), changed)
    context.put(blob_key(message.section, message.blob), Place(message.number))


def _standing(context: Context, message: Rewrite | Entomb) -> Entry:
    found = entry(context.state, message.section, message.number)
    if found.erased:
        raise LedgerRefused("already-erased", "the entry is erased already")
    return found


def _bury(context: Context, identity: bytes, found: Entry) -> None:
    context.state.remove(blob_key(identity, found.blob))
    context.put(tombstone_key(identity, found.blob), Tombstone(context.time))


def _entomb(context: Context, message: Entomb) -> None:
    found = _standing(context, message)
    _bury(context, message.section, found)
    context.put(entry_key(message.section, message.number), msgspec.structs.replace(found, erased=context.time))


MODULE = Module(
    "sections",
    {
        CreateSection: Handler(_creator, _create),
        AppendEntry: Handler(_appender, _append),
        AdmitWriter: Handler(_owner, _admit),
        RemoveWriter: Handler(_owner, _remove),
        Rotate: Handler(_owner, _rotate),
        HandOver: Handler(_successor, _hand_over),
        Rewrite: Handler(_owner, _rewrite),
        Entomb: Handler(_owner, _entomb),
    },
)
