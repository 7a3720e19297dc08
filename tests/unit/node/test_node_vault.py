"""The vault: who is served, who is refused and how, and what is written down before the first byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from node_world import (
    HOUR,
    NODE,
    NONE,
    RECEIPT_SEED,
    NodeWorld,
    ask,
    blob,
    code,
    key,
    package,
    preimage,
    running,
)
from salus.codec import encode
from salus.errors import SalusError
from salus.ids import VerifyKey
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.revocations.state import revocation_id
from salus.ledger.modules.sections.messages import AdmitWriter, Entomb
from salus.warrants.checking import link_hash, sign_link
from salus.warrants.link import Purpose, Right, Span, Warrant
from salus.warrants.receipting import open_receipt, require_promise
from salus.warrants.requests import SignedRead

ONE, TWO, THREE = blob("one"), blob("two", 300), blob("three", 400)


def filled(world: NodeWorld) -> Warrant:
    """Ada's section of three entries, and Bob's warrant over the first two."""
    world.fill("Ada", ONE, TWO, THREE)
    return world.warrant("Ada", "Bob", (0, 1))


def receipts(world: NodeWorld, name: str = "Ada") -> int:
    return world.node.receipts(world.owner_asks(name)).total


def test_a_proven_holder_is_served_after_a_receipt_that_embeds_the_request(tmp_path: Path) -> None:
    """WAR-16, WAR-18, WAR-20, WAR-21, API-20."""
    with running(tmp_path) as world:
        read = world.read(filled(world), "Bob", (1, 0))
        served = world.node.read(read)
        assert (served.blobs, served.missing) == ((TWO, ONE), ())
        section = world.section("Ada")
        require_promise(served.promise, world.node.status().member, VerifyKey(NODE.public), read)
        answer = world.node.receipts(world.owner_asks("Ada"))
        assert (answer.total, answer.receipts[0].head) == (1, served.promise.promise.head)
        assert open_receipt(RECEIPT_SEED, answer.receipts[0].sealed, world.network, section).read == read


def test_the_owner_reads_all_with_packages(tmp_path: Path) -> None:
    """WAR-15, WAR-16."""
    with running(tmp_path) as world:
        filled(world)
        served = world.node.read(world.read(world.own("Ada"), "Ada", (2,), packages=(0, 7)))
        assert served.blobs == (THREE, package("Ada"))
        assert receipts(world) == 1


def chained(world: NodeWorld, warrant: Warrant, holder: str, by: str, **changed: Any) -> Warrant:
    """The warrant with one more link, which ``by`` signs."""
    before = warrant.links[-1].link
    link = replace(
        before,
        previous=link_hash(before),
        holder=key(holder).public,
        receipt_key=b"",
        revocation=revocation_id(preimage("delegation")),
        **changed,
    )
    return Warrant((*warrant.links, sign_link(key(by), link)))


def test_a_holder_delegates_and_either_link_is_revoked(tmp_path: Path) -> None:
    """WAR-7, WAR-26."""
    with running(tmp_path) as world:
        mine = filled(world)
        hers = chained(world, mine, "Cleo", "Bob", entries=(Span(0, 0),))
        assert world.node.read(world.read(hers, "Cleo")).blobs == (ONE,)
        assert code(lambda: world.node.read(world.read(hers, "Cleo", (1,)))) == "warrants/not-covered"
        world.revoke(preimage("delegation"))
        assert code(lambda: world.node.read(world.read(hers, "Cleo"))) == "warrants/revoked"
        assert world.node.read(world.read(mine, "Bob")).blobs == (ONE,)
        world.revoke(preimage("Ada"))
        assert code(lambda: world.node.read(world.read(mine, "Bob"))) == "warrants/revoked"


#: What is wrong before chain and proof verify, and a request that has it.
HIDDEN: dict[str, Callable[[NodeWorld, Warrant], SignedRead]] = {
    "stolen: signed by somebody else": lambda w, warrant: w.read(warrant, "Eve"),
    "altered after signing": lambda w, warrant: replace(w.read(warrant, "Bob"), request=replace(w.asked(warrant), entries=(1,))),
    "for another request's signature": lambda w, warrant: replace(
        w.read(warrant, "Bob"), signature=w.read(warrant, "Bob").signature
    ),
    "on another network": lambda w, warrant: w.read(warrant, "Bob", network=NONE),
    "naming another warrant": lambda w, warrant: w.read(warrant, "Bob", warrant=NONE),
    "naming a section that is not there": lambda w, warrant: w.read(warrant, "Bob", section=NONE),
    "naming another section": lambda w, warrant: w.read(warrant, "Bob", section=w.fill("Zoe", blob("zoe"))),
    "a warrant that the holder wrote": lambda w, warrant: w.read(Warrant((sign_link(key("Bob"), w.root("Ada", "Bob")),)), "Bob"),
    "a warrant for another section": lambda w, warrant: _elsewhere(w),
    "a warrant widened after signing": lambda w, warrant: _widened(w, warrant),
    "a delegation that widens": lambda w, warrant: w.read(chained(w, warrant, "Cleo", "Bob", entries=(Span(0, 2),)), "Cleo"),
    "a delegation by somebody else": lambda w, warrant: w.read(chained(w, warrant, "Cleo", "Eve"), "Cleo"),
    "a delegation without its root": lambda w, warrant: w.read(Warrant(chained(w, warrant, "Cleo", "Bob").links[1:]), "Cleo"),
    "a warrant from before a hand-over": lambda w, warrant: _handed_over(w, warrant),
    "expired, and stolen": lambda w, warrant: w.read(w.warrant("Ada", "Bob", not_after=w.clock.now + 1), "Eve"),
    "revoked, and stolen": lambda w, warrant: _revoked(w, warrant),
    "an entry that is not there, and stolen": lambda w, warrant: w.read(warrant, "Eve", (99,)),
    "a stale block, and stolen": lambda w, warrant: w.read(warrant, "Eve", height=99),
}


def _elsewhere(world: NodeWorld) -> SignedRead:
    world.fill("Zoe", blob("zoe"))
    return world.read(world.warrant("Zoe", "Bob", section=world.section("Ada"), previous=world.section("Ada")), "Bob")


def _widened(world: NodeWorld, warrant: Warrant) -> SignedRead:
    signed = warrant.links[0]
    wider = Warrant((replace(signed, link=replace(signed.link, entries=(Span(0, 2),))),))
    return world.read(wider, "Bob", (2,))


def _handed_over(world: NodeWorld, warrant: Warrant) -> SignedRead:
    world.hand_over("Ada")
    return world.read(warrant, "Bob")


def _revoked(world: NodeWorld, warrant: Warrant) -> SignedRead:
    world.revoke(preimage("Ada"))
    return world.read(warrant, "Eve")


@pytest.mark.parametrize("what", HIDDEN)
def test_before_chain_and_proof_verify_every_refusal_is_the_same_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    """WAR-14, API-21: same status, same headers, same bytes; no receipt."""
    with running(tmp_path) as world:
        warrant = filled(world)
        read = HIDDEN[what](world, warrant)
        answer = ask(world.node, "POST", "/v1/entries", encode(read))
        named = dict(answer.headers)
        assert len(named.pop("x-request-id")) == 16  # chance: says nothing
        assert (answer.status_code, answer.content, named) == (
            403,
            b'{"type":"about:blank","title":"the vault does not serve this request","status":403,"code":"warrants/refused"}',
            {"content-type": "application/problem+json", "content-length": "109"},
        )
        assert world.node.vault._log.count(world.section("Ada")) == 0
        assert not world.node.vault.changed.is_set()


def test_a_request_to_another_members_vault_is_passed_on_or_no_way_is_known(tmp_path: Path) -> None:
    """MEM-11: it leaves no receipt here, and this vault does not answer in another's name."""
    with running(tmp_path) as world:
        read = world.read(filled(world), "Bob", vault=NONE)
        answer = ask(world.node, "POST", "/v1/entries", encode(read))
        assert (answer.status_code, answer.json()["code"]) == (502, "node/no-peer")
        with pytest.raises(SalusError) as refused:
            world.node.vault.serve(read)
        assert refused.value.full_code == "warrants/refused"
        assert world.node.vault._log.count(world.section("Ada")) == 0


Told = Callable[[NodeWorld, Warrant], SignedRead]

#: What is wrong afterwards, a request that has it, and the code that says so.
TOLD: list[tuple[str, Told, str]] = [
    ("not yet", lambda w, _: w.read(w.warrant("Ada", "Bob", not_before=w.clock.now + 5), "Bob"), "warrants/not-yet"),
    ("expired", lambda w, _: _later(w, "Bob", not_after=w.clock.now + 5), "warrants/expired"),
    ("a block to come", lambda w, warrant: w.read(warrant, "Bob", height=99), "warrants/unknown-block"),
    ("another block's hash", lambda w, warrant: w.read(warrant, "Bob", height=0), "warrants/unknown-block"),
    ("a stale block", lambda w, warrant: _stale(w, warrant), "warrants/stale-request"),
    ("another purpose", lambda w, warrant: w.read(warrant, "Bob", purpose=Purpose.HRESCH), "warrants/wrong-purpose"),
    ("no licence", lambda w, _: w.read(_asking(w), "Bob"), "warrants/licence-needed"),
    ("another's licence", lambda w, _: w.read(_asking(w), "Bob", licence=w.license("Cleo")), "warrants/licence-not-fitting"),
    (
        "a licence without the right",
        lambda w, _: w.read(_asking(w), "Bob", licence=w.license("Bob", LicenceRight.DISPENSE)),
        "warrants/licence-not-fitting",
    ),
    ("a suspended licence", lambda w, _: _with_status(w, LicenceStatus.SUSPENDED), "warrants/licence-not-active"),
    ("an ended licence", lambda w, _: _with_status(w, LicenceStatus.ENDED), "warrants/licence-not-active"),
    ("an entry that is not there", lambda w, warrant: w.read(warrant, "Bob", (9,)), "ledger/no-such-entry"),
    ("an entry not covered", lambda w, warrant: w.read(warrant, "Bob", (0, 2)), "warrants/not-covered"),
    (
        "a warrant that only appends",
        lambda w, _: w.read(w.warrant("Ada", "Bob", rights=(Right.APPEND,)), "Bob"),
        "warrants/not-covered",
    ),
    ("packages by who is not the owner", lambda w, warrant: w.read(warrant, "Bob", packages=(0,)), "warrants/not-covered"),
    ("an entry twice", lambda w, warrant: w.read(warrant, "Bob", (0, 0)), "node/too-much-asked"),
    ("more than an answer holds", lambda w, _: _large(w), "node/too-much-asked"),
]


def _later(world: NodeWorld, holder: str, **changed: Any) -> SignedRead:
    warrant = world.warrant("Ada", holder, **changed)
    world.clock.now += 5
    return world.read(warrant, holder)


def _stale(world: NodeWorld, warrant: Warrant) -> SignedRead:
    read = world.read(warrant, "Bob")
    world.clock.now += world.genesis.parameters.max_staleness + 2
    return read


def _asking(world: NodeWorld) -> Warrant:
    return world.warrant("Ada", "Bob", licence=LicenceRight.TREAT)


def _with_status(world: NodeWorld, status: LicenceStatus) -> SignedRead:
    licence = world.license("Bob")
    world.set_licence(licence, status)
    return world.read(_asking(world), "Bob", licence=licence)


def _large(world: NodeWorld) -> SignedRead:
    blobs = [bytes([number]) * 8_000_000 for number in range(9)]
    for start in range(0, 9, 3):
        page = blobs[start : start + 3]
        world.submit(*(world.entry("Ada", data) for data in page), keys=[key("Ada")], blobs=page)
    return world.read(world.own("Ada"), "Ada", tuple(range(3, 12)))


@pytest.mark.parametrize(("what", "asking", "expected"), TOLD, ids=[row[0] for row in TOLD])
def test_a_proven_holder_is_told_why_it_is_refused_and_no_receipt_is_left(
    tmp_path: Path, what: str, asking: Told, expected: str
) -> None:
    """WAR-13, API-21."""
    with running(tmp_path) as world:
        read = asking(world, filled(world))
        assert code(lambda: world.node.read(read)) == expected
        assert world.node.vault._log.count(world.section("Ada")) == 0


def test_a_licence_that_is_reinstated_serves_again(tmp_path: Path) -> None:
    """WAR-13."""
    with running(tmp_path) as world:
        filled(world)
        warrant, licence = _asking(world), world.license("Bob")
        world.set_licence(licence, LicenceStatus.SUSPENDED)
        world.set_licence(licence, LicenceStatus.ACTIVE)
        assert world.node.read(world.read(warrant, "Bob", licence=licence)).blobs == (ONE,)


def test_after_a_revocation_a_new_warrant_is_served(tmp_path: Path) -> None:
    """WAR-26."""
    with running(tmp_path) as world:
        old = filled(world)
        world.revoke(preimage("Ada"))
        assert code(lambda: world.node.read(world.read(old, "Bob"))) == "warrants/revoked"
        new = world.warrant("Ada", "Bob", revocation=revocation_id(preimage("anew")))
        assert world.node.read(world.read(new, "Bob")).blobs == (ONE,)
        assert code(lambda: world.node.read(world.read(old, "Bob"))) == "warrants/revoked"


def test_a_writer_reads_back_what_it_wrote_and_nothing_else(tmp_path: Path) -> None:
    """WAR-10, GRA-8."""
    with running(tmp_path) as world:
        filled(world)
        pen = key("pen").public
        world.submit(AdmitWriter(world.section("Ada"), pen, 5, 10_000, world.clock.now + HOUR), keys=[key("Ada")])
        note = blob("note")
        world.submit(world.entry("Ada", note, writer=pen), keys=[key("pen")], blobs=[note])
        warrant = world.warrant("Ada", "Bob", (), rights=(Right.APPEND,), writer=pen)
        assert world.node.read(world.read(warrant, "Bob", (3,))).blobs == (note,)
        assert code(lambda: world.node.read(world.read(warrant, "Bob", (3, 0)))) == "warrants/not-covered"


@pytest.mark.parametrize("clock", [0, -50_000])
def test_expiry_is_judged_by_the_later_of_block_time_and_clock(tmp_path: Path, clock: int) -> None:
    """WAR-13."""
    with running(tmp_path) as world:
        warrant = world.warrant("Ada", "Bob", not_after=world.clock.now + 10_000)
        filled(world)
        world.clock.now += 10_002
        world.node.header(None, fresh=True)
        world.clock.now += clock
        assert code(lambda: world.node.read(world.read(warrant, "Bob"))) == "warrants/expired"


def _altered(world: NodeWorld) -> None:
    path = world.blob_path(ONE)
    path.write_bytes(ONE[:-1] + bytes([ONE[-1] ^ 1]))


def _shortened(world: NodeWorld) -> None:
    world.blob_path(ONE).write_bytes(ONE[:-1])


def _gone(world: NodeWorld) -> None:
    world.blob_path(ONE).unlink()


def _entombed(world: NodeWorld) -> None:
    world.submit(Entomb(world.section("Ada"), 0), keys=[key("Ada")])
    world.blob_path(ONE).write_bytes(ONE)  # as somebody brings it back while the node runs


@pytest.mark.parametrize("harm", [_altered, _shortened, _gone, _entombed])
def test_a_blob_that_is_not_intact_is_named_as_missing_and_the_others_are_served(
    tmp_path: Path, harm: Callable[[NodeWorld], None]
) -> None:
    """WAR-16, API-23."""
    with running(tmp_path) as world:
        warrant = filled(world)
        harm(world)
        served = world.node.read(world.read(warrant, "Bob", (0, 1)))
        assert (served.blobs, served.missing) == ((b"", TWO), (0,))
