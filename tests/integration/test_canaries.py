"""Nothing that tells of a person is anywhere on the node's side: canaries in every field, through every flow and every refusal.

What somebody publishes to be found may stand in the directory and travel there, and words that are looked for are asked
for there. All else is nowhere: not in the nodes' files, logs, figures, answers, backups, memory or last words.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import lzma
import signal
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import lmdb
import pytest

from canaries import Book, Hit, Search, zstd
from canary_flows import FLOWS, WORDS, play_all
from canary_probes import FALLS, ROUTES, cut_off, fallen, probe
from canary_refusals import refuse_all
from canary_world import CanaryWorld, canary_world
from salus.homes import init_home
from salus.node.api import GETS

pytestmark = pytest.mark.timeout(900)

NODES = ("hospital", "clinic")
LISTED = ("name of the physician", "name of the partner")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CanaryWorld]:
    """Everything that can be done was done, and everything that can be refused was refused."""
    with canary_world(tmp_path_factory.mktemp("canaries")) as made:
        play_all(made)
        refuse_all(made)
        made.extra["answers"] = [answer for name in NODES for answer in probe(made.book, made.nodes[name])]
        for name in NODES:
            assert httpx.get(f"{made.nodes[name].address}/v1/health").status_code == 200
        made.extra["figures"] = [httpx.get(f"{made.nodes[name].address}/v1/metrics").text for name in NODES]
        yield made


@pytest.fixture
def search(world: CanaryWorld, record_testsuite_property: Callable[[str, object], None]) -> Iterator[Search]:
    """A search that says how much it has seen."""
    made = Search(world.book)
    yield made
    print(f"{made.containers} containers, {made.bytes} bytes, {made.opened} opened; {len(world.book.fields)} canaries")


def published(hit: Hit) -> bool:
    """Whether the text was published, to be found, by whom it tells of."""
    return hit.field.startswith("listed ") or hit.field in LISTED


def elsewhere(hits: list[Hit], place: str) -> list[Hit]:
    """The hits, without what was published where that is kept."""
    return [hit for hit in hits if not (published(hit) and place in hit.container)]


def test_every_flow_was_played_and_every_route_refused_something(world: CanaryWorld) -> None:
    assert len(world.book.fields) > 1500
    assert sum(world.flows.values()) > 300
    assert {play.__name__ for play in FLOWS} <= set(world.flows)
    refused = {(answer.method, answer.path) for answer in world.extra["answers"] if answer.status >= 400}
    assert refused >= {(method, path) for method, path, *_ in ROUTES} | {("GET", path) for path, *_ in GETS}
    asked = {(one.method, one.path.partition("?")[0]) for recorder in world.recorders.values() for one in recorder.exchanges}
    of_engines = {("POST", "/v1/peers/engine")}  # asked where CometBFT orders, which it does not here
    assert asked >= {(method, path) for method, path, *_ in ROUTES} - of_engines


@pytest.mark.parametrize("node", NODES)
def test_a_nodes_folder_holds_none(world: CanaryWorld, search: Search, node: str) -> None:
    folder = world.home(node) / "node"
    assert elsewhere(search.folder(folder, digests=True), "node/directory/") == []
    assert search.bytes > 1_000_000


def test_what_was_published_is_found_where_it_is_kept(world: CanaryWorld, search: Search) -> None:
    """The same search of the same folder finds what is there: it is not blind."""
    found = search.folder(world.home("hospital") / "node")
    assert {hit.field for hit in found} >= {f"listed {kind} of the physician" for kind in ("specialty", "telecom", "place")}


def test_nothing_that_goes_over_the_wire_holds_one(world: CanaryWorld, search: Search) -> None:
    for recorder in world.recorders.values():
        for one in recorder.exchanges:
            place = f"{one.method} {one.path.partition('?')[0]}"
            listings = "listings" in place or "/v1/pages" in place or place == "POST /v1/peers"
            found = [*search.look(f"{place} asked", one.asked), *search.look(f"{place} answered", one.answered)]
            found = [hit for hit in found if not (listings and published(hit))]
            assert [hit for hit in found if hit != Hit(WORDS, "plain", "POST /v1/listings/search asked")] == []
    assert search.containers > 1_000


def test_no_answer_to_what_is_refused_repeats_one(world: CanaryWorld, search: Search) -> None:
    for answer in world.extra["answers"]:
        assert search.look(f"{answer.method} {answer.path}: {answer.status}", answer.answered) == []
        assert answer.status < 500 or answer.status == 502, answer
    assert search.containers > 500


def test_no_line_of_the_log_and_no_figure_has_one(world: CanaryWorld, search: Search) -> None:
    for log in world.logs:
        assert search.look(log.name, log.with_suffix(".out").read_bytes() + log.with_suffix(".err").read_bytes()) == []
    assert b"\n".join(log.with_suffix(".err").read_bytes() for log in world.logs).count(b'"event": "request"') > 1_000
    for text in world.extra["figures"]:
        assert search.look("figures", text.encode()) == []
        assert "salus_refusals_total" in text


def test_backups_proofs_and_sealed_exports_hold_none(world: CanaryWorld, search: Search) -> None:
    found = search.folder(world.folder / "backups")
    assert elsewhere(found, "directory") == []
    assert search.bytes > 1_000_000


def test_the_memory_of_a_node_that_did_all_of_it_holds_none(world: CanaryWorld, search: Search) -> None:
    """What a core dump would tell: taken before anybody sent the node what it refuses."""
    memory = world.extra["memory"]
    if not memory:
        pytest.skip("this machine does not let a process look into another's memory")
    found = [hit for hit in search.memory(memory) if not published(hit) and hit.field != WORDS]
    assert [hit for hit in found if hit.field != "a part of one"] == []  # what was published is overwritten there piece by piece
    assert len(memory) > 10_000_000


def test_an_agents_own_store_and_what_is_left_lying_about_hold_none(world: CanaryWorld, search: Search) -> None:
    """Cold seeds lie under the names of people, so that these find them."""
    found = search.folder(world.folder / "homes", lambda name: "/cold/" in name)
    found = [hit for hit in found if hit != Hit("a node that is none", "plain", "homes/new/agent/nodes.toml")]  # an address
    assert elsewhere(found, "node/directory/") == []
    assert search.folder(world.folder / "tmp") == []


def test_a_refusal_on_the_terminal_repeats_no_more_than_was_typed_there(world: CanaryWorld, search: Search) -> None:
    """CLI-24."""
    refused = [done for done in world.done if done.status]
    for done in refused:
        said = {hit.field for hit in search.look("terminal", done.out + done.err, depth=0)}
        assert said <= world.book.typed(done.words), (done, said)
        assert b"Traceback" not in done.err
    assert len(refused) > 120


def test_a_nodes_process_is_told_none_in_arguments_and_surroundings(world: CanaryWorld, search: Search) -> None:
    for node in world.nodes.values():
        for name in ("cmdline", "environ"):
            assert search.look(name, Path(f"/proc/{node.process.pid}/{name}").read_bytes()) == []


def test_a_node_that_dies_over_a_request_leaves_none_behind(world: CanaryWorld, search: Search) -> None:
    """The last test over this world: its second node is gone then."""
    node = world.nodes["clinic"]
    cut_off(world.book, node, signal.SIGSEGV)
    last = node.log.with_suffix(".err").read_bytes()
    assert b"Fatal Python error: Segmentation fault" in last
    assert search.look("last words", last) == []
    assert elsewhere(search.folder(world.home("clinic") / "node"), "node/directory/") == []
    assert search.folder(world.folder / "tmp") == []


@pytest.mark.parametrize("how", FALLS)
def test_a_node_that_falls_over_a_request_says_none_of_it(tmp_path: Path, how: str) -> None:
    """API-9: also where the error's own text has all of the request."""
    book, home, left = Book(), tmp_path / "home", tmp_path / "left"
    init_home(home, None)
    left.mkdir()
    answered, last = fallen(book, home, left, how)
    search = Search(book)
    assert [*search.look("answer", answered), *search.look("last words", last)] == []
    assert [*search.folder(home / "node"), *search.folder(left)] == []
    assert last


PLANTED: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "in capitals": lambda text: text.upper().encode(),
    "cut short": lambda text: text[:8].encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16, the other order": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32-le"),
    "hex": lambda text: text.encode().hex().encode(),
    "hex in capitals": lambda text: text.encode().hex().upper().encode(),
    "JSON's escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text).encode(),
    "gzip": lambda text: gzip.compress(b"so " * 99 + text.encode()),
    "zlib": lambda text: zlib.compress(b"so " * 99 + text.encode()),
    "zstd": lambda text: zstd.compress(b"so " * 99 + text.encode()),
    "bz2": lambda text: bz2.compress(b"so " * 99 + text.encode()),
    "xz": lambda text: lzma.compress(b"so " * 99 + text.encode()),
    "base64 in gzip in zstd": lambda text: zstd.compress(gzip.compress(base64.b64encode(b"so" + text.encode()))),
    **{
        f"base64, shifted by {shift}": lambda text, shift=shift: base64.b64encode(b"q" * shift + text.encode() + b"!")
        for shift in range(3)
    },
    **{
        f"base32, shifted by {shift}": lambda text, shift=shift: base64.b32encode(b"q" * shift + text.encode() + b"!")
        for shift in range(5)
    },
}


@pytest.mark.parametrize("form", PLANTED)
def test_a_planted_canary_is_found_in_every_form_and_its_field_is_named(tmp_path: Path, form: str) -> None:
    book = Book()
    for name in ("one", "another", "a third"):
        book(name)
    (tmp_path / "blob").write_bytes(b"\x00\xff" * 50 + PLANTED[form](book("another")) + b"\xff" * 50)
    found = {hit.field for hit in Search(book).folder(tmp_path)}
    assert ("a part of one" if form == "cut short" else "another") in found
    assert found <= {"a part of one", "another"}


def test_a_planted_canary_is_found_in_a_database_a_log_a_file_name_and_as_a_digest(tmp_path: Path) -> None:
    book = Book()
    with lmdb.open(str(tmp_path / "base"), map_size=1 << 20) as env, env.begin(write=True) as write:
        write.put(b"key", b"value " * 900 + book("in a database").encode())
    (tmp_path / "log").write_text(f'{{"event": "request", "route": "{book("in a log")}"}}\n')
    (tmp_path / book("in a name")).touch()
    (tmp_path / "digest").write_bytes(b"x" + hashlib.sha256(book("as a digest").encode()).digest())
    (tmp_path / "date").write_text(book.other("a date", "1743-08-27"))
    assert {hit.field for hit in Search(book).folder(tmp_path, digests=True)} == {
        "in a database",
        "in a log",
        "in a name",
        "as a digest",
        "a date",
    }


def test_nobody_guesses_a_canary() -> None:
    assert len({Book()("a field") for _ in range(1000)}) == 1000
    assert len(Book()("a field")) == 20
