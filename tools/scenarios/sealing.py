"""AES-256-GCM, HPKE, passphrases, files of chunks, hybrid signatures."""

from __future__ import annotations

import io
from collections.abc import Iterator

import nacl.bindings

from charts_world import some
from ledger_world import SMALL_ORDER
from salus.agent.export_file import MAGIC
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.chunks import ChunkWriter
from salus.crypto.passphrase import Cost, Locked, lock
from salus.crypto.signing import HybridKey
from scenarios import Scenario, change, flipped, malformed


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from sealing()
    yield from exports()
    yield from signatures()
    yield from keys()


def sealing() -> Iterator[Scenario]:
    """AES-256-GCM, HPKE and the passphrase."""
    key, other = some("vector key"), some("vector other key")
    box = aead.seal(key, b"context", b"secret")
    good: dict[str, bytes | int] = {"key": key, "context": b"context", "sealed": box}
    yield "aead", "opens", "accepted", good
    for what, changes in (
        ("wrong-key", {"key": other}),
        ("wrong-context", {"context": b"other"}),
        ("nonce-changed", {"sealed": flipped(box, 0)}),
        ("ciphertext-changed", {"sealed": flipped(box, 13)}),
        ("tag-changed", {"sealed": flipped(box, -1)}),
        ("cut-off", {"sealed": box[:-1]}),
        ("empty", {"sealed": b""}),
    ):
        yield "aead", what, "crypto/cannot-open", {**good, **changes}
    letter = hpke.seal(hpke.public_key(key), b"context", b"secret")
    good = {"seed": key, "info": b"context", "sealed": letter}
    yield "hpke", "opens", "accepted", good
    for what, changes in (
        ("wrong-seed", {"seed": other}),
        ("wrong-info", {"info": b"other"}),
        ("lattice-half-changed", {"sealed": flipped(letter, 5)}),
        ("curve-half-changed", {"sealed": flipped(letter, 1100)}),
        ("tag-changed", {"sealed": flipped(letter, -1)}),
        ("cut-off", {"sealed": letter[:-1]}),
        ("one-byte-more", {"sealed": letter + b"\x00"}),
    ):
        yield "hpke", what, "crypto/cannot-open", {**good, **changes}
    locked = lock("correct horse", b"secret", Cost(1, 1, 8192))
    yield "locked", "opens", "accepted", {"passphrase": b"correct horse", "locked": locked}
    yield "locked", "wrong-passphrase", "crypto/cannot-open", {"passphrase": b"wrong", "locked": locked}
    for what, data, expect in malformed(locked):
        if what != "other-tag":
            yield "locked", what, expect, {"passphrase": b"correct horse", "locked": data}
    opened = decode(locked, Locked, limit=len(locked))
    for what, expect, forged in (
        ("more-memory-than-a-machine-has", "codec/not-decodable", change(opened, cost=Cost(1, 1, 1_048_577))),
        ("too-many-iterations", "codec/not-decodable", change(opened, cost=Cost(17, 1, 8192))),
        ("no-iterations", "codec/not-decodable", change(opened, cost=Cost(0, 1, 8192))),
        ("other-cost", "crypto/cannot-open", change(opened, cost=Cost(2, 1, 8192))),
        ("other-salt", "crypto/cannot-open", change(opened, salt=bytes(16))),
    ):
        yield "locked", what, expect, {"passphrase": b"correct horse", "locked": encode(forged)}


def exports() -> Iterator[Scenario]:
    """Files of chunks under a passphrase: three chunks of an export that says nothing."""

    def made(text: bytes) -> list[bytes]:
        sink = io.BytesIO()
        writer = ChunkWriter(sink, MAGIC, "correct horse", Cost(1, 1, 8192), 4)
        writer.write(text)
        writer.finish()
        data, parts = sink.getvalue(), []
        at = len(MAGIC)
        while data:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            parts.append(data[:end])
            data, at = data[end:], 0
        return parts

    (head, one, two, three), (other, *_, strange) = made(b"onlytwelve!!"), made(b"otherwise...")
    locked = decode(head[len(MAGIC) + 4 :], Locked, limit=1024)

    def headed(cost: Cost) -> bytes:
        box = encode(change(locked, cost=cost))
        return MAGIC + len(box).to_bytes(4, "big") + box + one + two + three

    good: dict[str, bytes | int] = {"passphrase": b"correct horse", "export": head + one + two + three}
    yield "export", "opens", "accepted", good
    yield "export", "one-chunk", "accepted", {**good, "export": b"".join(made(b""))}
    yield "export", "wrong-passphrase", "crypto/cannot-open", {**good, "passphrase": b"wrong"}
    for what, expect, data in (
        ("chunks-moved", "crypto/wrong-chunk", head + two + one + three),
        ("chunk-doubled", "crypto/wrong-chunk", head + one + one + two + three),
        ("chunk-left-out", "crypto/wrong-chunk", head + one + three),
        ("chunk-changed", "crypto/wrong-chunk", head + flipped(one, 20) + two + three),
        ("chunk-of-another-file", "crypto/wrong-chunk", head + one + two + strange),
        ("head-of-another-file", "crypto/wrong-chunk", other + one + two + three),
        ("last-chunk-left-out", "crypto/cut-off", head + one + two),
        ("no-chunk", "crypto/cut-off", head),
        ("cut-off", "crypto/cut-off", head + one + two + three[:-1]),
        ("one-byte-more", "crypto/cut-off", head + one + two + three + b"\x00"),
        ("last-chunk-twice", "crypto/wrong-chunk", head + one + two + three + three),
        ("another-kind-of-file", "crypto/not-this-file", b"salus-export-2\n" + head[len(MAGIC) :] + one + two + three),
        ("empty", "crypto/not-this-file", b""),
        ("more-memory-than-a-machine-has", "codec/not-decodable", headed(Cost(1, 1, 1_048_577))),
        ("too-many-iterations", "codec/not-decodable", headed(Cost(17, 1, 8192))),
        ("other-cost", "crypto/cannot-open", headed(Cost(2, 1, 8192))),
    ):
        yield "export", what, expect, {**good, "export": data}


def signatures() -> Iterator[Scenario]:
    """Hybrid signatures: both halves, or none."""
    author, other = HybridKey(some("vector author")), HybridKey(some("vector other"))
    signature, wrong = author.sign("salus/vector/1", b"message"), other.sign("salus/vector/1", b"message")
    good: dict[str, bytes | int] = {"key": encode(author.public), "message": b"message", "signature": encode(signature)}
    yield "hybrid", "verifies", "accepted", good
    for what, changes in (
        ("other-message", {"message": b"Message"}),
        ("other-key", {"key": encode(other.public)}),
        ("other-ed25519-half", {"signature": encode(change(signature, ed25519=wrong.ed25519))}),
        ("other-mldsa-half", {"signature": encode(change(signature, mldsa65=wrong.mldsa65))}),
        ("ed25519-changed", {"signature": encode(change(signature, ed25519=flipped(signature.ed25519, 40)))}),
        ("mldsa-changed", {"signature": encode(change(signature, mldsa65=flipped(signature.mldsa65, 40)))}),
        ("keys-mixed", {"key": encode(change(author.public, mldsa65=other.public.mldsa65))}),
    ):
        yield "hybrid", what, "crypto/bad-signature", {**good, **changes}
    for what, data in (("signature-cut-off", encode(signature)[:-1]), ("one-half-alone", encode(change(signature, mldsa65=b"")))):
        yield "hybrid", what, "codec/not-decodable", {**good, "signature": data}


def keys() -> Iterator[Scenario]:
    """Public keys of Ed25519 that may enter the state, and others (RFC 8032 has the encoding, and the order of the curve)."""
    prime = 2**255 - 19
    sound = HybridKey(some("vector author")).public.ed25519
    mixed = nacl.bindings.crypto_core_ed25519_add(sound, SMALL_ORDER)
    for what, key in (
        ("of-order-one", (1).to_bytes(32, "little")),
        ("of-order-two", (prime - 1).to_bytes(32, "little")),
        ("of-order-four", bytes(32)),
        ("of-order-eight", SMALL_ORDER),
        ("with-a-component-of-order-eight", mixed),
        ("of-order-one-in-another-encoding", (prime + 1).to_bytes(32, "little")),
        ("beyond-the-prime", b"\xff" * 31 + b"\x7f"),
        ("not-on-the-curve", (2).to_bytes(32, "little")),
        ("too-short", sound[:-1]),
        ("too-long", sound + b"\x00"),
        ("empty", b""),
    ):
        yield "key", what, "crypto/unsound-key", {"key": key}
    yield "key", "is-sound", "accepted", {"key": sound}
