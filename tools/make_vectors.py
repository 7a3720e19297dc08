"""Write the vectors: one scenario a file, with what must come of it. Only files that are missing are written.

``PYTHONPATH=tests python tools/make_vectors.py`` from the checkout. Sealing draws fresh randomness: a new file differs from an
earlier one of the same name; what is checked in stays. A file has ``name: value`` lines; values are hexadecimal but for
``what``, ``kind``, ``expect`` and numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from charts_world import NETWORK, SECTION, leaf, signed, some
from ledger_world import Ledger, creation
from ledger_world import key as signing_key
from salus.agent.export_file import MAGIC
from salus.charts.sealing import seal
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.chunks import ChunkWriter
from salus.crypto.passphrase import Cost, Locked, lock
from salus.crypto.signing import HybridKey
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.ledger.modules.revocations.messages import Revoke

VECTORS = Path(__file__).parents[1] / "vectors"
Scenario = tuple[str, str, str, dict[str, bytes | int]]  # kind, what, expect, fields
change = msgspec.structs.replace


def flipped(data: bytes, place: int) -> bytes:
    """``data`` with the lowest bit of byte ``place`` changed."""
    at = place % len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def malformed(data: bytes) -> Iterator[tuple[str, bytes, str]]:
    """What strict decoding refuses of any record."""
    yield "cut-off", data[:-1], "codec/not-decodable"
    yield "one-byte-more", data + b"\x00", "codec/not-decodable"
    yield "empty", b"", "codec/not-decodable"
    yield "wide-array-header", b"\xdc\x00" + bytes([data[0] & 0x0F]) + data[1:], "codec/not-canonical"
    yield "other-tag", data[:2] + b"x" + data[3:], "codec/not-decodable"
    yield "a-map", b"\x80", "codec/not-decodable"
    yield "deep", b"\x91" * 4096, "codec/not-decodable"


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


def entries() -> Iterator[Scenario]:
    """Sealed entries."""
    author = HybridKey(some("vector author"))
    blob, half = seal(signed(author, leaf()), hpke.public_key(some("vector epoch")), 0)
    good: dict[str, bytes | int] = {"blob": blob, "half": half, "network": NETWORK, "section": SECTION, "epoch": 0}
    yield "entry", "opens", "accepted", good
    for what, expect, changes in (
        ("wrong-half", "crypto/cannot-open", {"half": some("x")}),
        ("wrong-section", "crypto/cannot-open", {"section": some("x")}),
        ("wrong-network", "crypto/cannot-open", {"network": some("x")}),
        ("wrong-epoch", "crypto/cannot-open", {"epoch": 1}),
        ("ciphertext-changed", "crypto/cannot-open", {"blob": flipped(blob, -1)}),
        ("cut-off", "codec/not-decodable", {"blob": blob[:-1]}),
        ("one-byte-more", "codec/not-decodable", {"blob": blob + b"\x00"}),
    ):
        yield "entry", what, expect, {**good, **changes}


def headers() -> Iterator[Scenario]:
    """A signed header, after the one before it."""
    world = Ledger()
    world.done(Revoke(some("secret")))
    before, signed_header = world.headers
    header = signed_header.header

    def by(name: str, **changes: object) -> bytes:
        other = change(header, **changes)
        return encode(SignedHeader(other, signing_key(name).sign(HEADER_TAG, header_hash(other))))

    good: dict[str, bytes | int] = {"genesis": encode(world.genesis), "previous": encode(before), "header": encode(signed_header)}
    yield "header", "follows", "accepted", good
    for what, expect, data in (
        ("signed-by-another-member", "crypto/bad-signature", by("lab node")),
        ("signed-by-the-authority-key", "crypto/bad-signature", by("clinic authority")),
        ("not-signed", "crypto/bad-signature", encode(change(signed_header, signature=bytes(64)))),
        ("proposer-is-no-member", "ledger/wrong-proposer", by("clinic node", proposer=some("nobody"))),
        ("other-network", "ledger/wrong-network", by("clinic node", network=some("other"))),
        ("other-previous", "ledger/bad-link", by("clinic node", previous=some("other"))),
        ("height-left-out", "ledger/bad-link", by("clinic node", height=header.height + 1)),
        ("same-height", "ledger/bad-link", by("clinic node", height=header.height - 1)),
        ("same-time", "ledger/bad-link", by("clinic node", time=before.header.time)),
        *((name, expect, data) for name, data, expect in malformed(encode(signed_header))),
    ):
        yield "header", what, expect, {**good, "header": data}


def ledger() -> Iterator[Scenario]:
    """Transactions and proven answers."""
    world = Ledger()
    data = world.tx(creation("owner"), by=["owner"])
    yield "transaction", "decodes", "accepted", {"transaction": data}
    for what, broken, expect in malformed(data):
        yield "transaction", what, expect, {"transaction": broken}
    yield "transaction", "too-large", "codec/too-large", {"transaction": data + bytes(70_000)}
    number = b"\xa5epoch\x00"
    for what, found, put, expect in (
        ("wide-integer", number, b"\xa5epoch\xcc\x00", "codec/not-canonical"),
        ("wider-integer", number, b"\xa5epoch\xcf" + bytes(8), "codec/not-canonical"),
        ("negative-integer", number, b"\xa5epoch\xff", "codec/not-decodable"),
        ("float-for-integer", number, b"\xa5epoch\xcb" + bytes(8), "codec/not-decodable"),
        ("text-for-integer", number, b"\xa5epoch\xa10", "codec/not-decodable"),
        ("wide-tag", number, b"\xd9\x05epoch\x00", "codec/not-canonical"),
        ("tag-that-is-not-utf-8", number, b"\xa5ep\xffch\x00", "codec/not-decodable"),
        ("field-left-out", b"\x95" + number, b"\x94\xa5epoch", "codec/not-decodable"),
        ("field-too-many", b"\x95" + number, b"\x96" + number + b"\x00", "codec/not-decodable"),
    ):
        yield "transaction", what, expect, {"transaction": data.replace(found, put, 1)}
    world.done(Revoke(some("secret")))
    present = next(name for name in world.state() if name.startswith(b"revocations/"))
    genesis, answer, absent = encode(world.genesis), world.answer(present), world.answer(b"revocations/none")
    yield "answer", "presence", "accepted", {"genesis": genesis, "answer": encode(answer)}
    yield "answer", "absence", "accepted", {"genesis": genesis, "answer": encode(absent)}
    shorter = change(answer.proof, siblings=answer.proof.siblings[1:])
    unsigned = change(answer.header, signature=bytes(64))
    later = change(answer.header, header=change(answer.header.header, height=9))
    for what, expect, broken_answer in (
        ("other-value", "ledger/bad-state-proof", change(answer, value=b"x")),
        ("value-denied", "ledger/bad-state-proof", change(answer, value=None)),
        ("other-key", "ledger/bad-state-proof", change(answer, key=b"revocations/none")),
        ("value-invented", "ledger/bad-state-proof", change(absent, value=b"x")),
        ("absence-of-another", "ledger/bad-state-proof", change(absent, key=present)),
        (
            "sibling-left-out",
            "ledger/bad-state-proof",
            change(answer, proof=shorter),
        ),
        ("unsigned-header", "crypto/bad-signature", change(answer, header=unsigned)),
        ("header-changed", "crypto/bad-signature", change(answer, header=later)),
    ):
        yield "answer", what, expect, {"genesis": genesis, "answer": encode(broken_answer)}
    other = encode(change(world.genesis, salt=b"1" * 16))
    yield "answer", "other-network", "ledger/wrong-network", {"genesis": other, "answer": encode(answer)}


def main() -> None:
    """Write what is missing."""
    for kind, what, expect, fields in (*sealing(), *exports(), *signatures(), *entries(), *headers(), *ledger()):
        path = VECTORS / kind / f"{what}.txt"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"what: {what}", f"kind: {kind}", f"expect: {expect}"]
        lines += [f"{name}: {value if isinstance(value, int) else value.hex()}" for name, value in fields.items()]
        path.write_text("\n".join(lines) + "\n", "ascii")


if __name__ == "__main__":
    main()
