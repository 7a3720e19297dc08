"""Sealed entries and key packages."""

from __future__ import annotations

from collections.abc import Iterator

from charts_world import NETWORK, SECTION, header, leaf, replacing, signed, some
from salus.charts import sealing
from salus.charts.entry import Blob, EntryKind, Erased, Origin, Sealed
from salus.charts.epochs import EpochKeys, KeyPackage, make_package
from salus.charts.sealing import commitment, seal, sign_entry, version_id, without
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.signing import HybridKey
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Fields, Scenario, change, flipped, malformed, put, reshaped

AUTHOR, OTHER = HybridKey(some("vector author")), HybridKey(some("vector other"))
SEED = some("vector epoch")


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from entries()
    yield from odd_entries()
    yield from halves()
    yield from commitments()
    yield from packages()
    yield from broken_packages()


def fields(blob: bytes, half: bytes) -> Fields:
    """An entry where it belongs."""
    return {"blob": blob, "half": half, "network": NETWORK, "section": SECTION, "epoch": 0}


def entries() -> Iterator[Scenario]:
    """Sealed entries: a good one, and what can be done to it without its keys."""
    blob, half = seal(signed(AUTHOR, leaf()), hpke.public_key(SEED), 0)
    good = fields(blob, half)
    yield "entry", "opens", "accepted", good
    for what, expect, changes in (
        ("wrong-half", "crypto/cannot-open", {"half": some("x")}),
        ("wrong-section", "crypto/cannot-open", {"section": some("x")}),
        ("wrong-network", "crypto/cannot-open", {"network": some("x")}),
        ("wrong-epoch", "crypto/cannot-open", {"epoch": 1}),
        ("ciphertext-changed", "crypto/cannot-open", {"blob": flipped(blob, -1)}),
        ("cut-off", NOT_DECODABLE, {"blob": blob[:-1]}),
        ("one-byte-more", NOT_DECODABLE, {"blob": blob + b"\x00"}),
        (
            "release-half-needed",
            "charts/not-released",
            {"blob": encode(change(decode(blob, Blob, limit=len(blob)), released=True))},
        ),
        ("no-half", NOT_DECODABLE, {"blob": b"\x94\xa6blob-1\xc4\x00\xc2\xc4\x00"}),
        ("wide-length-of-the-half", NOT_CANONICAL, {"blob": put(blob, b"\xc5\x04\x90", b"\xc6\x00\x00\x04\x90")}),
        *((name, expect, {"blob": data}) for name, data, expect in reshaped(blob)),
    ):
        yield "entry", what, expect, {**good, **changes}


def boxed(plain: bytes, section: bytes = SECTION) -> Fields:
    """A blob around any bytes, as somebody with the seal key could make it."""
    half, context = some("vector half"), sealing._context(NETWORK, section, 0)
    sealed_half = hpke.seal(hpke.public_key(SEED), context, half)
    return fields(encode(Blob(sealed_half, False, aead.seal(sealing._data_key(half), context, plain))), half)


def wrapped(inside: bytes) -> Fields:
    """A blob around any inside, compressed and padded as it should be."""
    return boxed(sealing._pad(sealing.zstd.compress(inside)))


def odd_entries() -> Iterator[Scenario]:
    """What only somebody with the seal key can make."""
    one, two = leaf(), leaf("Observation/2", b"{}", "other")
    good, strange = signed(AUTHOR, one, two), signed(OTHER, one, two)
    signature = good.signature
    amended = {"kind": EntryKind.AMENDMENT, "replaces": replacing(one), "as_of": 1_700_000_000_000}
    copied = Origin(some("original"), some("entry"), good.header.content, 1_800_000_000_000)
    kept = {"kind": EntryKind.RETAINED, "origin": copied, "retainer": some("member"), "retain_until": 1_800_000_000_000}
    for what, inside in (
        ("one-resource-erased", without(good, frozenset({version_id(one)}))),
        ("all-resources-erased", without(good, frozenset({version_id(one), version_id(two)}))),
        ("no-resources", signed(AUTHOR)),
        ("an-amendment", signed(AUTHOR, leaf(salt="amended"), **amended)),
        ("a-retained-copy", signed(AUTHOR, one, two, **kept)),
        ("text-of-all-planes", signed(AUTHOR, leaf("Patient/é", "ÄÖ…李🩺".encode()), source="Krankenhaus Süd 🏥 李")),
    ):
        yield "entry", what, "accepted", wrapped(encode(inside))
    for what, expect, odd in (
        (
            "other-ed25519-half",
            "crypto/bad-signature",
            change(good, signature=change(signature, ed25519=strange.signature.ed25519)),
        ),
        (
            "other-mldsa-half",
            "crypto/bad-signature",
            change(good, signature=change(signature, mldsa65=strange.signature.mldsa65)),
        ),
        ("signature-of-another-entry", "crypto/bad-signature", change(good, signature=signed(AUTHOR, one).signature)),
        ("header-changed", "crypto/bad-signature", change(good, header=change(good.header, authored=2))),
        ("key-of-another", "charts/wrong-author", change(good, key=OTHER.public)),
        ("signed-in-anothers-name", "charts/wrong-author", sign_entry(OTHER, header(AUTHOR, (one,)), (one,))),
        ("leaf-changed", "charts/wrong-content", change(good, leaves=(one, change(two, data=b"{ }")))),
        ("leaf-left-out", "charts/wrong-content", change(good, leaves=(one,))),
        ("leaves-swapped", "charts/wrong-content", change(good, leaves=(two, one))),
        ("leaf-doubled", "charts/wrong-content", change(good, leaves=(one, two, two))),
        ("another-version-erased", "charts/wrong-content", change(good, leaves=(one, Erased(some("x"))))),
        ("signed-for-another-section", "charts/wrong-section", signed(AUTHOR, one, section=some("x"))),
        ("signed-for-another-network", "charts/wrong-section", signed(AUTHOR, one, network=some("x"))),
    ):
        yield "entry", what, expect, wrapped(encode(odd))
    yield from odd_frames(good)
    data = encode(good)
    for what, expect, broken in (
        ("inside-cut-off", NOT_DECODABLE, data[:-1]),
        ("inside-with-one-byte-more", NOT_DECODABLE, data + b"\x00"),
        (
            "inside-with-a-wide-integer",
            NOT_CANONICAL,
            put(data, b"\x01\x00\x90", b"\xcc\x01\x00\x90"),
        ),
        ("inside-of-another-kind", NOT_DECODABLE, put(data, b"\xa6record", b"\xa6recipe")),
        ("inside-with-a-name-that-is-not-utf-8", NOT_DECODABLE, put(data, b"hospital", b"hosp\xfftal")),
        ("inside-with-a-source-that-is-too-long", NOT_DECODABLE, put(data, b"\xa8hospital", b"\xd9\x81" + b"h" * 129)),
        ("inside-with-an-identity-that-is-too-short", NOT_DECODABLE, put(data, b"\xadObservation/2", b"\xa2O/")),
    ):
        yield "entry", what, expect, wrapped(broken)


def odd_frames(good: Sealed) -> Iterator[Scenario]:
    """Padding and compression."""
    packed = sealing.zstd.compress(encode(good))
    padded = sealing._pad(packed)
    longer = (len(packed) + 9).to_bytes(8, "big") + padded[8:]
    bad_padding, bad_compression = "charts/bad-padding", "charts/bad-compression"
    for what, expect, plain in (
        ("padding-not-zero", bad_padding, flipped(padded, -1)),
        ("padding-too-long", bad_padding, padded + b"\x00"),
        ("padding-to-the-next-length", bad_padding, padded + bytes(sealing.padded_length(len(padded) + 1) - len(padded))),
        ("padding-missing", bad_padding, padded[: 8 + len(packed)]),
        ("shorter-than-its-length", bad_padding, (2**20).to_bytes(8, "big") + padded[8:]),
        ("length-beyond-counting", bad_padding, b"\xff" * 8 + padded[8:]),
        ("no-frame", bad_padding, b""),
        ("half-a-length", bad_padding, bytes(4)),
        ("something-behind-the-frame", bad_compression, longer),
        ("two-frames", bad_compression, sealing._pad(packed + packed)),
        ("frame-cut-off", bad_compression, sealing._pad(packed[:-1])),
        ("not-compressed", bad_compression, sealing._pad(encode(good)[:2000])),
        ("nothing-compressed", bad_compression, sealing._pad(b"")),
        ("an-empty-frame", NOT_DECODABLE, sealing._pad(sealing.zstd.compress(b""))),
    ):
        yield "entry", what, expect, boxed(plain)


def halves() -> Iterator[Scenario]:
    """The patient's half, for who holds the epoch's seed."""
    blob, _ = seal(signed(AUTHOR, leaf()), hpke.public_key(SEED), 3)
    good: Fields = {"blob": blob, "seed": SEED, "network": NETWORK, "section": SECTION, "epoch": 3}
    yield "half", "opens", "accepted", good
    for what, changes in (
        ("another-epochs-seed", {"seed": some("x")}),
        ("wrong-epoch", {"epoch": 4}),
        ("wrong-section", {"section": some("x")}),
        ("wrong-network", {"network": some("x")}),
        ("half-changed", {"blob": flipped(blob, 40)}),
    ):
        yield "half", what, "crypto/cannot-open", {**good, **changes}


def commitments() -> Iterator[Scenario]:
    """What the ledger was told of an entry's header when it was sealed first."""
    inside = signed(AUTHOR, leaf())
    erased = without(inside, frozenset({version_id(leaf())}))
    for what, expect, held in (
        ("of-this-entry", "accepted", inside),
        ("of-what-was-erased-since", "accepted", erased),
        ("with-another-salt", "charts/wrong-commitment", change(inside, salt=some("x"))),
        ("of-another-header", "charts/wrong-commitment", change(inside, header=change(inside.header, authored=2))),
    ):
        yield "commitment", what, expect, {"inside": encode(held), "commitment": commitment(inside)}


DEVICE, STANDING, COLD = some("vector device"), some("vector standing"), some("vector cold")
OLD, NEW = EpochKeys(some("old seal"), some("old history")), EpochKeys(some("new seal"), some("new history"))


def package(section: bytes = SECTION, epoch: int = 2) -> bytes:
    """A package with a device's slot and a standing grantee's."""
    return make_package(section, epoch, NEW, OLD, hpke.public_key(COLD), ((DEVICE, True), (STANDING, False)))


def packages() -> Iterator[Scenario]:
    """Key packages and who opens them: with a key for a ``slot``, for ``recovery`` or of ``history``, to get ``pair``."""
    data = package()
    base: Fields = {"package": data, "section": SECTION, "epoch": 2}
    pair = NEW.seal_seed + NEW.history
    for what, expect, changes in (
        ("a-device-opens", "accepted", {"slot": DEVICE, "pair": pair}),
        ("a-standing-grantee-opens-without-history", "accepted", {"slot": STANDING, "pair": NEW.seal_seed + bytes(32)}),
        ("the-cold-seed-opens", "accepted", {"recovery": COLD, "pair": pair}),
        ("history-leads-back", "accepted", {"history": NEW.history, "pair": OLD.seal_seed + OLD.history}),
        ("a-stranger", "charts/no-slot", {"slot": some("x")}),
        ("another-cold-seed", "crypto/cannot-open", {"recovery": some("x")}),
        ("another-history", "crypto/cannot-open", {"history": OLD.history}),
        ("history-that-was-not-given", "charts/no-history", {"history": bytes(32)}),
        ("wrong-section", "charts/wrong-package", {"slot": DEVICE, "section": some("x")}),
        ("wrong-epoch", "charts/wrong-package", {"slot": DEVICE, "epoch": 1}),
        ("before-the-first", "charts/no-history", {"history": NEW.history, "package": package(epoch=0), "epoch": 0}),
    ):
        yield "package", what, expect, {**base, **changes}


def broken_packages() -> Iterator[Scenario]:
    """Packages that were tampered with."""
    data = package()
    base: Fields = {"package": data, "section": SECTION, "epoch": 2}
    read = decode(data, KeyPackage, limit=len(data))
    elsewhere = decode(package(epoch=3), KeyPackage, limit=len(data))
    cannot_open = "crypto/cannot-open"
    ruined = tuple(change(slot, sealed=flipped(slot.sealed, 20)) for slot in read.slots)
    moved = tuple(
        change(slot, sealed=other.sealed) for slot, other in zip(read.slots, read.slots[1:] + read.slots[:1], strict=True)
    )
    for what, expect, key, broken in (
        ("seal-key-of-another", cannot_open, {"slot": DEVICE}, change(read, seal_key=hpke.public_key(some("x")))),
        (
            "seal-key-of-another-for-the-cold-seed",
            cannot_open,
            {"recovery": COLD},
            change(read, seal_key=hpke.public_key(some("x"))),
        ),
        ("slots-changed", cannot_open, {"slot": DEVICE}, change(read, slots=ruined)),
        ("slots-exchanged", cannot_open, {"slot": DEVICE}, change(read, slots=moved)),
        ("slots-of-another-epoch", "charts/no-slot", {"slot": DEVICE}, change(read, slots=elsewhere.slots)),
        ("recovery-of-another-epoch", cannot_open, {"recovery": COLD}, change(read, recovery=elsewhere.recovery)),
        ("predecessor-changed", cannot_open, {"history": NEW.history}, change(read, previous=flipped(read.previous, 20))),
        ("no-slots", "charts/no-slot", {"slot": DEVICE}, change(read, slots=())),
        ("seal-key-too-short", NOT_DECODABLE, {"slot": DEVICE}, change(read, seal_key=read.seal_key[:-1])),
        ("slot-too-short", NOT_DECODABLE, {"slot": DEVICE}, change(read, slots=(change(read.slots[0], sealed=bytes(91)),))),
    ):
        yield "package", what, expect, {**base, **key, "package": encode(broken)}
    for what, raw, expect in (*malformed(data), *reshaped(data)):
        yield "package", what, expect, {**base, "slot": DEVICE, "package": raw}
