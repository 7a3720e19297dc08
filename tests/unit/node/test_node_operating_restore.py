"""What a backup brings back is verified first, never older than what was seen, and put in place whatever interrupts it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from node_world import NODE, blob, code, key, tampered
from operating_world import GENESIS, backed_up, child, files, filled, grown, home_in, letter, opened, restored, troubles
from salus.codec import decode, encode
from salus.exchange.inviting import GuestKeys, redeem
from salus.exchange.posting import sign_collect
from salus.ledger.header import SignedHeader, header_hash
from salus.ledger.modules.receipts.state import Anchor, anchor_key
from salus.ledger.modules.sections.messages import Entomb
from salus.node.guests.days import DAY
from salus.node.operating.manifest import MANIFEST, File, Manifest, fingerprint, read_manifest, write_manifest
from salus.node.operating.placing import READY, complete
from salus.node.operating.restore import Seen
from salus.warrants.receipting import START as FIRST
from salus.warrants.receipting import require_anchor, require_chain


def lose(home: Path, *parts: str) -> None:
    for part in parts:
        shutil.rmtree(home / "node" / part)


def test_an_intact_node_is_not_touched(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    before = files(home)
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/node-exists"
    grown(home)
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/node-exists"
    assert files(home).keys() >= before.keys()


def test_what_is_replaced_is_moved_aside_and_never_deleted(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    before = files(home / "node" / "ledger") | files(home / "node" / "vault" / "blobs")
    for turn in (1, 2):
        done = restored(home, tmp_path / "backup", replace=True)
        assert done.aside == f"node.replaced-{turn}"
        aside = home / done.aside
        if turn == 1:
            assert files(aside / "ledger") | files(aside / "vault" / "blobs") == before
    assert troubles(home) == set()


def test_a_restored_guest_book_has_its_guests_and_no_open_invitation(tmp_path: Path) -> None:
    """API-68."""
    home, keys = filled(tmp_path), GuestKeys(bytes(32))
    with opened(home) as world:
        member, book = world.node.status().member, world.node.door.book
        book.redeem(redeem(book.invite(DAY, 1, 5), keys.at(member)))
        spent = book.invite(DAY, 1, 5)
    backed_up(home, tmp_path / "backup")
    lose(home, "guests")
    assert restored(home, tmp_path / "backup").parts == ("guests",)
    with opened(home) as world:
        book = world.node.door.book
        assert book.current(keys.at(member).public).actions == 5
        assert book.invitations() == []
        assert code(lambda: book.redeem(redeem(spent, GuestKeys(b"k" * 32).at(member)))) == "node/not-invited"


@pytest.mark.parametrize("part", ["ledger", "mailbox", "guests", "vault/receipts", "vault/blobs", "vault"])
def test_a_part_that_is_missing_comes_back_and_the_others_stay(tmp_path: Path, part: str) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup.tar")
    lose(home, part)
    assert troubles(home)
    done = restored(home, tmp_path / "backup.tar")
    assert (done.missing, done.aside) == (0, "")
    assert troubles(home) == set()


def test_a_ledger_on_disk_that_is_newer_stays_and_gets_back_what_the_backup_has(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    grown(home)
    with opened(home) as world:
        height = world.node.status().height
    lose(home, "vault/blobs")
    done = restored(home, tmp_path / "backup")
    assert (done.parts, done.blobs, done.missing, done.height) == ((), 3, 1, height)
    assert troubles(home) == {"node/blobs-lost"}  # the entry that came after the backup, and says so


def test_what_was_erased_after_the_backup_does_not_come_back(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    with opened(home) as world:
        world.submit(Entomb(world.section("Ada"), 0), keys=[key("Ada")])
        path = world.blob_path(blob("one"))
    lose(home, "vault/blobs")
    assert restored(home, tmp_path / "backup").missing == 0
    assert not path.exists()
    assert troubles(home) == set()


def test_a_key_of_another_network_is_noticed_before_anything_is_restored(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    lose(home, "ledger")
    (home / "node" / "node.key").write_text("11" * 32)
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/not-a-member"


def altered(backup: Path, name: str) -> None:
    path = backup / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])


@pytest.mark.parametrize("what", ["ledger/", "receipts/", "mailbox/", "blobs/", "genesis.bin", "manifest.json", "manifest.sig"])
def test_an_altered_backup_is_refused_and_the_home_stays_as_it_was(tmp_path: Path, what: str) -> None:
    """API-66."""
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    name = next(name for name in sorted(files(tmp_path / "backup")) if name.startswith(what))
    altered(tmp_path / "backup", name)
    lose(home, "ledger")
    before = files(home)
    assert code(lambda: restored(home, tmp_path / "backup")) in ("node/bad-backup", "node/wrong-backup")
    assert files(home) == before
    (tmp_path / "backup" / name).unlink()
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/bad-backup"


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    (tmp_path / "text.tar").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name in ("text.tar", "empty", "none"):
        assert code(lambda name=name: restored(home, tmp_path / name)) == "node/bad-backup"


def resigned(backup: Path) -> None:
    """Whoever holds the node's key makes a new manifest for what they altered."""
    manifest = read_manifest(backup, GENESIS)
    listed = tuple(File(file.name, *fingerprint(backup / file.name)) for file in manifest.files)
    write_manifest(backup, replace(manifest, files=listed), NODE)


def test_a_ledger_whose_header_nobody_signed_is_refused(tmp_path: Path) -> None:
    """API-66: also when its files are the manifest's."""
    home = filled(tmp_path)
    made = backed_up(home, tmp_path / "backup")
    with opened(home) as world:
        newest = world.node.engine.header(made.manifest.height)
    forged = encode(SignedHeader(newest.header, bytes(64)))
    tampered(tmp_path / "backup", b"headers", made.manifest.height.to_bytes(8, "big"), forged)
    (tmp_path / "backup" / "ledger" / "lock.mdb").unlink()
    resigned(tmp_path / "backup")
    lose(home, "ledger")
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/state-damaged"
    assert not (home / "node" / "ledger").exists()


def test_a_manifest_that_names_another_block_is_refused(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    manifest: Manifest = read_manifest(tmp_path / "backup", GENESIS)
    write_manifest(tmp_path / "backup", replace(manifest, height=99), NODE)
    lose(home, "ledger")
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/bad-backup"
    text = (tmp_path / "backup" / MANIFEST).read_text().replace(manifest.network, "0" * 64)
    (tmp_path / "backup" / MANIFEST).write_text(text)
    assert code(lambda: restored(home, tmp_path / "backup")) == "node/wrong-backup"


def test_a_ledger_below_what_was_seen_is_never_put_in_place(tmp_path: Path) -> None:
    """API-67."""
    home = filled(tmp_path)
    made = backed_up(home, tmp_path / "backup")
    grown(home)
    with opened(home) as world:
        newest = world.node.header(None).header
    seen = Seen(newest.height, header_hash(newest))
    lose(home, "ledger")
    with pytest.raises(Exception, match=f"block {made.manifest.height}, and block {newest.height} was seen") as refused:
        restored(home, tmp_path / "backup", seen)
    assert code(lambda: restored(home, tmp_path / "backup", seen, replace=True)) == "node/stale-backup"
    assert "newer backup" in str(refused.value)
    assert not (home / "node" / "ledger").exists()


def test_a_ledger_on_disk_that_is_newer_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    grown(home)
    assert code(lambda: restored(home, tmp_path / "backup", replace=True)) == "node/stale-backup"


def test_a_ledger_that_went_another_way_is_refused(tmp_path: Path) -> None:
    home = filled(tmp_path)
    made = backed_up(home, tmp_path / "backup")
    lose(home, "ledger")
    assert code(lambda: restored(home, tmp_path / "backup", Seen(made.manifest.height, bytes(32)))) == "node/wrong-backup"


def test_a_ledger_on_disk_that_is_older_is_replaced_only_when_told(tmp_path: Path) -> None:
    home = filled(tmp_path)
    backed_up(home, tmp_path / "old")
    grown(home)
    backed_up(home, tmp_path / "new")
    other = home_in(tmp_path / "other")
    restored(other, tmp_path / "old")
    assert code(lambda: restored(other, tmp_path / "new")) == "node/node-exists"
    restored(other, tmp_path / "new", replace=True)
    assert troubles(other) == set()


def test_a_letter_after_a_restore_is_found_by_whoever_had_read_on(tmp_path: Path) -> None:
    """API-68: or its cursor would be one that the owner has passed."""
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    grown(home)
    grown(home, "four")
    with opened(home) as world:
        ask = sign_collect(key("box"), world.network, world.node.status().member, 0, 0, bytes(16), world.clock.now)
        passed = world.node.collect(ask).letters[-1].cursor
    lose(home, "mailbox")
    restored(home, tmp_path / "backup")
    with opened(home) as world:
        world.node.drop(letter(world, b"after"))
        ask = sign_collect(key("box"), world.network, world.node.status().member, passed, 0, bytes(16), world.clock.now)
        assert [letter.sealed for letter in world.node.collect(ask).letters] == [b"after"]


def test_receipts_that_are_newer_than_the_restored_ledger_are_anchored_anew(tmp_path: Path) -> None:
    """API-69."""
    home = filled(tmp_path)
    backed_up(home, tmp_path / "backup")
    grown(home)
    lose(home, "ledger")
    restored(home, tmp_path / "backup")
    with opened(home):
        pass  # anchors when it stops
    with opened(home) as world:
        answer = world.node.receipts(world.owner_asks("Ada"))
        assert (answer.total, answer.anchored) == (2, True)
        data = world.node.engine.state.get(anchor_key(world.node.status().member, answer.anchor))
        assert data is not None
        anchor = decode(data, Anchor, limit=256)
        heads = {2: require_chain(answer.receipts, 0, FIRST)}
        require_anchor(answer, world.section("Ada"), anchor.root, anchor.sections, heads)


def die_at_rename(home: Path, backup: Path, number: str, kind: str) -> None:
    """Restore, and be killed at the moment before a rename."""
    left = [int(number)]

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event == "os.rename":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    restored(home, backup, replace=kind == "replace")


@pytest.mark.parametrize("kind", ["missing", "replace"])
def test_a_restore_that_is_killed_at_any_step_is_completed_or_begun_anew(tmp_path: Path, kind: str) -> None:
    """API-65: and what was there before is on the disk in the end."""
    whole = filled(tmp_path)
    backed_up(whole, tmp_path / "backup")
    outcomes = set()
    for number in range(1, 30):
        home = tmp_path / f"home {number}"
        shutil.copytree(whole, home)
        if kind == "missing":
            lose(home, "ledger", "vault/receipts")
            altered(home / "node" / "vault" / "blobs", next(iter(files(home / "node" / "vault" / "blobs"))))
        with child(__file__, home, tmp_path / "backup", number, kind) as killed:
            _, wrong = killed.communicate()
        outcomes.add(killed.returncode)
        assert killed.returncode in (0, -signal.SIGKILL), wrong
        decided = (home / READY).exists()
        complete(home)  # the next command
        if killed.returncode == 0 or decided:
            assert troubles(home) == set()
        elif kind == "missing":
            assert restored(home, tmp_path / "backup").missing == 0
        assert troubles(home) == set()
        if killed.returncode == 0:
            assert kind == "missing" or files(home / "node.replaced-1" / "ledger") == files(whole / "node" / "ledger")
            break
    assert outcomes == {0, -signal.SIGKILL}


if __name__ == "__main__":
    die_at_rename(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
