"""Guests: who is let in at the door of a node, for what, how often, and who never needs to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from node_world import MEMBER, NONE, QUIET, Clock, NodeWorld, ask, from_home, key, package, running
from node_world import preimage as preimage_of
from salus.codec import decode, encode
from salus.crypto.hashing import sha256, tagged
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission, TxStatus
from salus.exchange.envelopes import MailboxClaim
from salus.exchange.guests import Invitation, Redemption
from salus.exchange.inviting import GuestKeys, invitation_key, redeem
from salus.exchange.posting import sign_claim
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import AdmitWriter, Epoch, HandOver, RemoveWriter, Rotate
from salus.ledger.modules.sections.state import commit_owner, schedule_hash
from salus.node.config import Config
from salus.node.guests.book import OPEN_FOR
from salus.node.guests.days import DAY, Days, used_on

ANA, BEN = GuestKeys(tagged("test/guest", b"ana")), GuestKeys(tagged("test/guest", b"ben"))
YEAR = 365 * DAY
PLACES = {Submission: ("POST", "/v1/transactions"), MailboxClaim: ("PUT", "/v1/mailboxes"), Redemption: ("PUT", "/v1/guests")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NodeWorld]:
    with running(tmp_path) as made:
        yield made


def sent(world: NodeWorld, message: Submission | MailboxClaim | Redemption) -> str:
    """The code with which the API refuses the message, or ""."""
    answer = ask(world.node, *PLACES[type(message)], encode(message))
    return "" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['code']}"


def invited(world: NodeWorld, span: int = YEAR, uses: int = 1, actions: int = 10) -> Invitation:
    return world.node.door.book.invite(span, uses, actions)


def guest(world: NodeWorld, keys: GuestKeys = ANA, actions: int = 10) -> GuestKeys:
    """The keys of a home that was invited, and came."""
    assert sent(world, redeem(invited(world, actions=actions), keys.at(MEMBER))) == ""
    return keys


def creation(world: NodeWorld, name: str = "Ada") -> Submission:
    return world.submission(world.body(world.creation(name)), [key(name)], [package(name)])


def claim(world: NodeWorld, name: str = "Ada", serial: int = 1) -> MailboxClaim:
    return sign_claim(key(name), world.network, MEMBER, bytes(16), serial)


ASKED: list[Callable[[NodeWorld], Submission | MailboxClaim]] = [creation, claim]


@pytest.mark.parametrize("asked", ASKED)
def test_nobody_is_served_uninvited(world: NodeWorld, asked: Callable[[NodeWorld], Submission | MailboxClaim]) -> None:
    """GUE-1."""
    height = world.node.header(None).header.height
    assert sent(world, asked(world)) == "403 node/not-invited"
    assert sent(world, ANA.vouch(asked(world), MEMBER)) == "403 node/not-invited"
    assert world.node.header(None).header.height == height
    assert world.node.blobs.totals() == (0, 0)


@pytest.mark.parametrize("asked", ASKED)
def test_a_guest_is_served(world: NodeWorld, asked: Callable[[NodeWorld], Submission | MailboxClaim]) -> None:
    """GUE-1, GUE-2."""
    assert sent(world, guest(world).vouch(asked(world), MEMBER)) == ""


@pytest.mark.parametrize("asked", ASKED)
def test_the_agent_of_the_nodes_own_home_needs_no_invitation(
    world: NodeWorld, asked: Callable[[NodeWorld], Submission | MailboxClaim]
) -> None:
    """GUE-3."""
    message = asked(world)
    if isinstance(message, Submission):
        world.node.submit(message)
    else:
        world.node.open_mailbox(message)
    assert ask(world.node, *PLACES[type(message)], from_home(message)).status_code == 200


@pytest.mark.parametrize("asked", ASKED)
def test_an_open_node_serves_everybody(tmp_path: Path, asked: Callable[[NodeWorld], Submission | MailboxClaim]) -> None:
    """GUE-1."""
    with running(tmp_path, config=replace(QUIET, guests="open")) as world:
        assert sent(world, asked(world)) == ""
    assert Config().guests == "invited"


def other_body(world: NodeWorld) -> Submission:
    vouched = ANA.vouch(creation(world, "Ben"), MEMBER)
    return replace(creation(world), guest=vouched.guest)


def other_claim(world: NodeWorld) -> MailboxClaim:
    return replace(claim(world), guest=ANA.vouch(claim(world, serial=2), MEMBER).guest)


def other_key(world: NodeWorld) -> Submission:
    """Another key's proof under the name of the guest."""
    vouched, own = BEN.vouch(creation(world), MEMBER), ANA.vouch(creation(world), MEMBER).guest
    assert vouched.guest is not None
    assert own is not None
    return replace(vouched, guest=replace(vouched.guest, guest=own.guest))


def other_kind(world: NodeWorld) -> Submission:
    return replace(creation(world), guest=ANA.vouch(claim(world), MEMBER).guest)


FORGED = [other_body, other_claim, other_key, other_kind]


@pytest.mark.parametrize("forged", FORGED)
def test_a_proof_is_for_just_what_it_vouches_for(
    world: NodeWorld, forged: Callable[[NodeWorld], Submission | MailboxClaim]
) -> None:
    """GUE-8."""
    guest(world)
    assert sent(world, forged(world)) == "403 crypto/bad-signature"


def test_a_proof_for_another_member_is_none_here(world: NodeWorld) -> None:
    """GUE-8."""

    class Everywhere(GuestKeys):
        """The key by which this member knows the home, whichever member the proof is for."""

        def at(self, member: bytes) -> SigningKey:
            return super().at(MEMBER)

    guest(world)
    everywhere = Everywhere(tagged("test/guest", b"ana"))
    for message in (creation(world), claim(world)):
        assert sent(world, everywhere.vouch(message, NONE)) == "403 crypto/bad-signature"
        assert sent(world, everywhere.vouch(message, MEMBER)) == ""


def test_a_home_has_another_key_at_each_member() -> None:
    """GUE-9."""
    assert ANA.at(MEMBER).public != ANA.at(NONE).public != BEN.at(NONE).public


def test_a_guest_whose_time_is_over_is_refused(world: NodeWorld) -> None:
    """GUE-7."""
    keys = guest(world)
    world.clock.now += YEAR - 1
    assert sent(world, keys.vouch(claim(world), MEMBER)) == ""
    world.clock.now += 1
    assert sent(world, keys.vouch(claim(world, serial=2), MEMBER)) == "403 node/invite-expired"


def test_a_guest_who_was_removed_is_refused_and_cannot_come_back_by_the_same_invitation(world: NodeWorld) -> None:
    """GUE-7."""
    invitation = invited(world, uses=3)
    again = redeem(invitation, ANA.at(MEMBER))
    assert sent(world, again) == ""
    ended = world.node.door.book.end(ANA.at(MEMBER).public.hex()[:8])
    assert ended == ANA.at(MEMBER).public
    assert sent(world, ANA.vouch(claim(world), MEMBER)) == "403 node/invite-expired"
    assert sent(world, again) == "403 node/invite-expired"
    assert sent(world, redeem(invited(world), ANA.at(MEMBER))) == ""
    assert sent(world, ANA.vouch(claim(world), MEMBER)) == ""


def test_an_open_invitation_can_be_taken_back(world: NodeWorld) -> None:
    """GUE-7."""
    book, invitation = world.node.door.book, invited(world)
    identity = invitation_key(invitation.secret).public
    assert [found for found, _ in book.invitations()] == [identity]
    assert book.end(identity.hex()[:8]) == identity
    assert sent(world, redeem(invitation, ANA.at(MEMBER))) == "403 node/not-invited"
    for prefix in (identity.hex()[:8], identity.hex()[:7], "", "zz" * 8):
        with pytest.raises(Exception, match="no-such-guest"):
            book.end(prefix)


def test_an_invitation_is_used_up_by_its_uses_and_redeeming_it_again_changes_nothing(world: NodeWorld) -> None:
    """GUE-6."""
    invitation = invited(world)
    for _ in range(3):
        assert sent(world, redeem(invitation, ANA.at(MEMBER))) == ""
    assert sent(world, redeem(invitation, BEN.at(MEMBER))) == "403 node/invite-used"
    assert sent(world, BEN.vouch(claim(world), MEMBER)) == "403 node/not-invited"
    twice = invited(world, uses=2)
    assert [sent(world, redeem(twice, keys.at(MEMBER))) for keys in (ANA, BEN)] == ["", ""]
    assert sent(world, BEN.vouch(claim(world), MEMBER)) == ""


def test_an_invitation_is_redeemed_in_time_or_not_at_all(world: NodeWorld) -> None:
    """GUE-7."""
    early, late = invited(world, uses=2), invited(world, span=DAY)
    world.clock.now += DAY
    assert sent(world, redeem(late, ANA.at(MEMBER))) == "403 node/invite-expired"
    world.clock.now += OPEN_FOR - DAY - 1
    assert sent(world, redeem(early, ANA.at(MEMBER))) == ""
    world.clock.now += 1
    assert sent(world, redeem(early, BEN.at(MEMBER))) == "403 node/invite-expired"
    assert sent(world, redeem(early, ANA.at(MEMBER))) == ""


def test_an_unknown_invitation_and_one_of_a_wrong_secret_are_refused_alike(world: NodeWorld) -> None:
    """GUE-6."""
    unknown = redeem(Invitation(world.network, MEMBER, bytes(32)), ANA.at(MEMBER))
    assert sent(world, unknown) == "403 node/not-invited"
    real = invited(world)
    for changed in (
        replace(real, secret=bytes(32)),
        replace(real, network=NONE),
        replace(real, member=NONE),
    ):
        assert sent(world, redeem(changed, ANA.at(MEMBER))) == "403 node/not-invited"


def test_invitation_and_guest_both_sign_a_redemption(world: NodeWorld) -> None:
    """GUE-5."""
    made = redeem(invited(world), ANA.at(MEMBER))
    stolen = redeem(Invitation(world.network, MEMBER, bytes(32)), BEN.at(MEMBER))
    for forged in (
        replace(made, granted=bytes(64)),
        replace(made, signature=bytes(64)),
        replace(made, guest=BEN.at(MEMBER).public),
        replace(made, guest=BEN.at(MEMBER).public, signature=stolen.signature),
        replace(stolen, invitation=made.invitation),
    ):
        assert sent(world, forged) == "403 crypto/bad-signature"
    assert sent(world, made) == ""


def test_the_book_holds_no_secret(world: NodeWorld) -> None:
    """GUE-4."""
    invitation = invited(world)
    guest(world)
    for file in (world.folder / "guests").iterdir():
        assert invitation.secret not in file.read_bytes()


# what protects rights


def rotation(world: NodeWorld) -> Rotate:
    """The section of Ada goes on under a new epoch."""
    first = world.creation("Ada").schedule[0]
    following = Epoch(1, world.clock.now + 1, tagged("test", b"seal key"), sha256(package("next")))
    return Rotate(world.section("Ada"), schedule_hash((first,)), (first, following))


def test_who_only_protects_rights_needs_no_invitation(world: NodeWorld) -> None:
    """GUE-2."""
    world.fill("Ada")
    writer = key("writer").public
    world.submit(AdmitWriter(world.section("Ada"), writer, 1, 1000, world.clock.now + DAY), keys=[key("Ada")])
    body = world.body(RemoveWriter(world.section("Ada"), writer))
    assert sent(world, world.submission(body, [key("Ada")])) == ""
    assert sent(world, world.submission(world.body(Revoke(preimage_of("Ada"))))) == ""
    both = world.body(Revoke(preimage_of("Ben")), rotation(world))
    assert sent(world, world.submission(both, [key("Ada")], [package("next")])) == ""
    third = commit_owner(key("Ada third").public)
    body = world.body(HandOver(world.section("Ada"), key("Ada next").public, third))
    assert sent(world, world.submission(body, [key("Ada next")])) == ""


def test_one_other_action_among_those_that_protect_rights_needs_an_invitation(world: NodeWorld) -> None:
    """GUE-2."""
    body = world.body(Revoke(preimage_of("Ada")), world.creation("Ada"))
    mixed = world.submission(body, [key("Ada")], [package("Ada")])
    assert sent(world, mixed) == "403 node/not-invited"
    assert sent(world, guest(world).vouch(mixed, MEMBER)) == ""


def test_what_is_on_the_ledger_is_told_again_and_not_counted(world: NodeWorld) -> None:
    """GUE-2."""
    message = guest(world, actions=1).vouch(creation(world), MEMBER)
    assert [sent(world, message) for _ in range(3)] == ["", "", ""]
    assert sent(world, replace(message, guest=None)) == ""
    assert sent(world, ANA.vouch(claim(world), MEMBER)) == "429 node/guest-allowance-spent"


# the allowance


def test_a_guest_has_so_many_actions_a_day(world: NodeWorld) -> None:
    """GUE-10."""
    world.clock.now += DAY - world.clock.now % DAY
    keys = guest(world, actions=3)
    body = world.body(world.creation("Ada"), world.creation("Ben"))
    two = world.submission(body, [key("Ada"), key("Ben")], [package("Ada"), package("Ben")])
    assert sent(world, keys.vouch(two, MEMBER)) == ""
    more = world.submission(replace(body, nonce=bytes(16)), [key("Ada"), key("Ben")], [package("Ada"), package("Ben")])
    assert sent(world, keys.vouch(more, MEMBER)) == "429 node/guest-allowance-spent"
    assert sent(world, keys.vouch(claim(world), MEMBER)) == ""
    assert sent(world, keys.vouch(claim(world), MEMBER)) == "429 node/guest-allowance-spent"
    assert sent(world, guest(world, BEN).vouch(claim(world), MEMBER)) == ""
    world.clock.now += DAY
    assert sent(world, keys.vouch(claim(world), MEMBER)) == ""


def test_what_the_ledger_refuses_is_counted(world: NodeWorld) -> None:
    """GUE-10."""
    keys = guest(world, actions=1)
    wrong = replace(creation(world), blobs=())
    assert sent(world, keys.vouch(wrong, MEMBER)) == "400 node/blob-missing"
    assert sent(world, keys.vouch(claim(world), MEMBER)) == "429 node/guest-allowance-spent"


def test_a_restart_forgets_nothing_that_was_used(tmp_path: Path) -> None:
    """GUE-10."""
    clock = Clock()
    with running(tmp_path, clock) as world:
        keys = guest(world, actions=2)
        assert sent(world, keys.vouch(claim(world), MEMBER)) == ""
    with running(tmp_path, clock) as world:
        assert used_on(tmp_path / "guests", clock.now // DAY) == {keys.at(MEMBER).public: 1}
        assert sent(world, keys.vouch(claim(world), MEMBER)) == ""
        assert sent(world, keys.vouch(claim(world), MEMBER)) == "429 node/guest-allowance-spent"


def test_a_row_that_was_cut_off_spoils_none_that_comes_after_it(tmp_path: Path) -> None:
    """GUE-10."""
    Days(tmp_path).spend(bytes(32), 3, 10, 5 * DAY)
    with (tmp_path / "used-5").open("ab") as file:
        file.write(b"half a row")
    assert used_on(tmp_path, 5) == {bytes(32): 3}
    again = Days(tmp_path)
    again.spend(bytes(32), 4, 10, 5 * DAY + 1)
    again.spend(b"k" * 32, 1, 10, 5 * DAY + 1)
    assert used_on(tmp_path, 5) == {bytes(32): 7, b"k" * 32: 1}
    again.spend(bytes(32), 1, 10, 6 * DAY)
    assert [path.name for path in tmp_path.iterdir()] == ["used-6"]


def test_refused_guests_are_counted_without_any_id(world: NodeWorld) -> None:
    """GUE-11, API-19."""
    assert sent(world, ANA.vouch(claim(world), MEMBER)) == "403 node/not-invited"
    text = ask(world.node, "GET", "/v1/metrics").text
    assert 'salus_refusals_total{code="node/not-invited"} 1.0' in text
    assert ANA.at(MEMBER).public.hex() not in text


def test_what_another_member_is_to_sponsor_is_not_let_in_here(world: NodeWorld) -> None:
    """GUE-2."""
    body = world.body(world.creation("Ada"), sponsor=NONE)
    assert sent(world, world.submission(body, [key("Ada")], [package("Ada")])) == "422 ledger/no-such-member"


def test_reading_needs_no_invitation(world: NodeWorld) -> None:
    """GUE-1."""
    world.fill("Ada", b"sealed")
    answer = ask(world.node, "POST", "/v1/entries", encode(world.read(world.own("Ada"), "Ada")))
    assert answer.status_code == 200
    assert decode(ask(world.node, "GET", f"/v1/transactions/{NONE.hex()}").content, TxStatus, limit=999).height == 0
