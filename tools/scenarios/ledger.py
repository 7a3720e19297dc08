"""Headers, transactions, proven answers, genesis documents, proof files."""

from __future__ import annotations

from collections.abc import Iterator

from charts_world import some
from ledger_world import Ledger, creation
from ledger_world import key as signing_key
from salus.codec import encode
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.ledger.modules.revocations.messages import Revoke
from scenarios import Scenario, change, malformed


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from headers()
    yield from ledger()


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
        ("proposer-is-no-member", "ledger/no-such-member", by("clinic node", proposer=some("nobody"))),
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
