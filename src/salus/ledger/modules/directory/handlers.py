"""Publishing and withdrawing listings."""

from __future__ import annotations

from salus.crypto.signing import require_sound_key
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.directory.state import Listed, listing_key
from salus.ledger.store import Reader


def _holder(reader: Reader, message: PublishListing) -> tuple[VerifyKey, ...]:
    return (VerifyKey(message.holder),)


def _publish(context: Context, message: PublishListing) -> None:
    require_sound_key(message.holder)
    context.put(listing_key(message.holder), Listed(message.listing, context.time, context.height))


MODULE = Module("directory", {PublishListing: Handler(_holder, _publish)})
