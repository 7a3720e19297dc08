"""Where a node begins that has no blocks: with what others show, as far as it is proven from genesis."""

from __future__ import annotations

import http.client
import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from ledger_world import some
from salus.errors import NodeRefused, SalusError
from salus.exchange.peering import Peer, Question
from salus.ids import Millis
from salus.ledger.genesis import Genesis, ValidatingMember, network_id
from salus.ledger.header import header_hash
from salus.ledger.lightblock import CometHeader, CommittedHeader, chain_id, comet_hash, validators_hash
from salus.ledger.trusting import trusted_from, trusting
from salus.node.comet.joining import TRUSTED_FOR, Start, find_start, followed_from, forget_unproven
from salus.node.comet.relay import MAX_ASK, Relay, answered
from salus.node.comet.signing import begin_key, numbers
from salus.node.ledger_store import LedgerStore, StoredBlock
from validators_world import Validators

VOTING = Validators([1, 1, 1, 1])
GENESIS = Genesis(
    bytes(16),
    Millis(1_700_000_000_000),
    tuple(
        ValidatingMember(some(f"authority {number}"), some(f"node {number}"), (), one.key, bytes(20))
        for number, one in enumerate(VOTING.set)
    ),
)
NOW = Millis(1_800_000_500_000)
TOP = 60


def chain(top: int = TOP, of: Validators = VOTING, text: str = "") -> dict[int, CommittedHeader]:
    """Headers that link to one another, each voted for."""
    found, before = dict[int, CommittedHeader](), None
    for height in range(1, top + 1):
        changes = {"chain_id": chain_id(network_id(GENESIS)), "next_validators": validators_hash(of.set), "app": some(text)}
        header = of.header(height, **changes, seconds=1_800_000_000 + height)
        if before is not None:
            header = msgspec.structs.replace(header, last_block=msgspec.structs.replace(before.block))
        before = found[height] = of.commit(header)
    return found


def strangers() -> Validators:
    """Validators of whom genesis names none."""
    made = Validators([1] * 8)
    made.set = tuple(one for one in made.set if one not in VOTING.set)
    return made


HEADERS = chain()


@dataclass
class Node:
    """Another member's node, as it answers."""

    headers: dict[int, CommittedHeader] = field(default_factory=lambda: HEADERS)
    offers: bytes = b"[]"

    def header(self, height: int | None) -> CommittedHeader:
        if height is None:
            return self.headers[max(self.headers)]
        if height not in self.headers:
            raise NodeRefused("no-such-height", "no block of this height")
        return self.headers[height]


class Known:
    """Other members' nodes; one that is None does not answer."""

    def __init__(self, **nodes: Node | None) -> None:
        self.nodes = {name.encode(): node for name, node in nodes.items()}
        self.asked = list[tuple[bytes, Question, int, int]]()

    def known(self) -> tuple[Peer, ...]:
        return tuple(Peer(name, "") for name in self.nodes)

    def of(self, member: bytes) -> Node:
        node = self.nodes[member]
        if node is None:
            raise NodeRefused("peer-unreachable", "silence")
        return node

    def ask_engine(self, member: bytes, question: Question, height: int = 0, page: int = 1) -> bytes:
        self.asked.append((member, question, height, page))
        return self.of(member).offers if question == Question.SNAPSHOTS else b'{"result": {}}'


def start(**nodes: Node | None) -> Start | None:
    return find_start(GENESIS, Known(**nodes), NOW)  # type: ignore[arg-type]


def test_the_highest_snapshot_that_is_proven_and_has_two_blocks_behind_it_is_begun_with() -> None:
    """NET-44."""
    found = start(a=Node(offers=b"[59, 50, 40]"), b=Node(offers=b"[30]"), c=None)
    assert found is not None
    assert found.trusted == trusting(HEADERS[50])
    assert len(found.puts) == 2


@pytest.mark.parametrize("offers", [b"[]", b"[0]", b"[-5]", b"[1000]", b"not json", b'{"a": 1}', b'["50"]', b"[59, 60]"])
def test_what_is_no_offer_is_passed_over(offers: bytes) -> None:
    """NET-44: the node then executes every block."""
    assert start(a=Node(offers=offers)) is None
    found = start(a=Node(offers=offers), b=Node(offers=b"[20]"))
    assert found is not None
    assert found.trusted.height == 20


def test_a_node_that_prunes_is_begun_with_where_another_one_has_what_leads_to_its_snapshot() -> None:
    """NET-61."""
    new = Validators([1, 1, 1, 1], range(20, 24))
    headers = {**chain(19), **{height: one for height, one in chain(of=new).items() if height > 20}}
    last = VOTING.header(
        20, chain_id=chain_id(network_id(GENESIS)), next_validators=validators_hash(new.set), seconds=1_800_000_020
    )
    headers[20] = VOTING.commit(last)
    late = Node({height: one for height, one in headers.items() if height >= 40}, b"[50]")
    assert start(late=late) is None
    for names in (("a", "late"), ("late", "z")):
        found = start(**dict(zip(names, (Node(headers), late) if names[0] == "a" else (late, Node(headers)), strict=True)))
        assert found is not None
        assert found.trusted == trusting(headers[50])
    assert start(late=late, liar=Node(chain(TOP, strangers(), "lies"))) is None


def test_headers_of_others_validators_prove_no_snapshot() -> None:
    """NET-44."""
    lies = Node(chain(TOP, strangers(), "lies"), b"[58]")
    assert start(a=lies) is None
    found = start(a=lies, b=Node(offers=b"[20]"))
    assert found is not None
    assert found.trusted == trusting(HEADERS[20])
    assert len(found.puts) == 1


def test_an_offer_whose_header_is_another_one_or_missing_is_passed_over() -> None:
    """NET-44."""
    turned = {**HEADERS, 50: HEADERS[49]}
    assert start(a=Node(turned, b"[50]")) is None
    lacking = {height: header for height, header in HEADERS.items() if height != 50}
    found = start(a=Node(lacking, b"[50, 40]"))
    assert found is not None
    assert found.trusted.height == 40


def test_an_offer_that_is_too_old_for_a_light_client_is_passed_over() -> None:
    """NET-44."""
    late = Millis(HEADERS[50].header.time + TRUSTED_FOR)
    assert find_start(GENESIS, Known(a=Node(offers=b"[50]")), late) is None  # type: ignore[arg-type]
    assert find_start(GENESIS, Known(a=Node(offers=b"[50]")), Millis(late - 1)) is not None  # type: ignore[arg-type]


def test_the_first_header_follows_from_the_one_that_was_proven() -> None:
    """NET-46."""
    proven = trusting(HEADERS[50])
    assert followed_from(GENESIS, proven, proven, None, HEADERS[51], HEADERS.__getitem__) == trusting(HEADERS[51])
    other = chain(TOP, strangers())
    with pytest.raises(SalusError):
        followed_from(GENESIS, proven, proven, None, other[51], other.__getitem__)


def test_headers_below_the_one_that_was_proven_must_lead_to_it() -> None:
    """NET-46: CometBFT may have begun with an older snapshot."""
    proven = trusting(HEADERS[50])

    def walk(headers: dict[int, CommittedHeader]) -> None:
        before = None
        for height in range(41, 53):
            followed_from(GENESIS, proven, proven, before, headers[height], headers.__getitem__)
            before = headers[height]

    walk(HEADERS)
    with pytest.raises(SalusError) as refused:
        walk(chain(TOP, VOTING, "another"))
    assert refused.value.full_code == "ledger/bad-link"
    with pytest.raises(SalusError) as refused:
        walk({**HEADERS, 45: HEADERS[46]})
    assert refused.value.full_code == "ledger/bad-link"


def test_a_ledger_that_began_with_a_snapshot_and_came_no_further_is_let_go_of_but_not_what_was_signed(tmp_path: Path) -> None:
    """NET-45."""
    engine, store = tmp_path / "comet", LedgerStore(tmp_path / "ledger")
    begin_key(engine, 0)
    (engine / "data" / "blockstore.db").mkdir()
    (engine / "data" / "blockstore.db" / "000001.log").write_bytes(b"blocks")
    (engine / "data" / "something").write_bytes(b"else")
    store.commit_block(0, StoredBlock((), ()), {b"key": b"value"})
    forget_unproven(engine, store)
    assert (store.height(), store.get(b"key")) == (0, b"value")
    store.begin_at(50, {b"key": b"another"})
    store.put_headers([HEADERS[51]])
    forget_unproven(engine, store)
    assert (store.base(), store.height()) == (50, 50)
    store.begin_at(60, {b"key": b"a third"})
    assert store.newest() is None
    forget_unproven(engine, store)
    assert (store.height(), store.get(b"key"), store.base()) == (None, None, 0)
    assert [path.name for path in (engine / "data").iterdir()] == ["signed-0.json"]
    assert numbers(engine) == [0]
    store.close()


def put(question: Question, height: int, page: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": [question.value, height, page]}).encode()


def asked(**fields: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, **fields}).encode()


@pytest.mark.parametrize("method", ["commit", "validators", "consensus_params"])
def test_the_light_client_s_questions_are_passed_on_and_answered_under_their_numbers(method: str) -> None:
    """NET-47."""
    told = json.loads(answered(put, put, asked(method=method, params={"height": "50", "page": "2", "per_page": "100"})))
    assert told == {"jsonrpc": "2.0", "id": 7, "result": [method, 50, 2]}
    assert json.loads(answered(put, put, asked(method=method, params={})))["result"] == [method, 0, 1]


@pytest.mark.parametrize(
    "data",
    [
        asked(method="broadcast_tx_sync", params={"tx": "AAAA"}),
        asked(method="broadcast_evidence", params={}),
        asked(method="abci_query", params={}),
        asked(method="snapshots", params={}),
        asked(method="dump_consensus_state"),
        asked(method="commit", params={"height": "-1"}),
        asked(method="commit", params={"height": 5}),
        asked(method="commit", params=[1]),
        b"",
        b"[]",
        b"[" * 3000,
        b"\xff\xfe",
        b"[" + asked(method="commit") + b"]",
    ],
)
def test_nothing_else_is_passed_on(data: bytes) -> None:
    """NET-47."""

    def refuse(*_: object) -> bytes:
        raise AssertionError("it was passed on")

    assert answered(refuse, refuse, data) == b""


def test_silence_and_what_the_engine_refuses_are_told_as_such() -> None:
    """NET-47."""

    def silent(*_: object) -> bytes:
        raise NodeRefused("peer-unreachable", "somewhere in particular")

    told = json.loads(answered(silent, silent, asked(method="commit")))
    assert told["error"]["data"] == "node/peer-unreachable"
    assert "particular" not in json.dumps(told)
    said = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "too high", "data": "height"}}'
    assert json.loads(answered(lambda *_: said, lambda *_: said, asked(method="commit"))) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32603, "message": "too high", "data": "height"},
    }
    assert answered(lambda *_: b"garbage", lambda *_: b"garbage", asked(method="commit")) == b""


class Line(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("relay", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


@pytest.fixture
def relay() -> Iterator[tuple[Relay, str]]:
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        found = Start(trusting(HEADERS[50]), (put,))
        made = found.relay(Path(folder))
        made.start()
        set_up = found.state_sync(made)
        assert (set_up.height, set_up.hash) == (50, header_hash(HEADERS[50].header))
        assert len(set_up.servers) == 2
        yield made, set_up.servers[0].removeprefix("unix://")
        made.stop()


def test_a_socket_answers_this_user_alone_and_takes_nothing_large(relay: tuple[Relay, str]) -> None:
    """NET-47."""
    _, path = relay
    assert Path(path).stat().st_mode & 0o077 == 0
    answers = []
    for body in (asked(method="commit"), asked(method="status"), bytes(MAX_ASK + 1)):
        with closing(Line(path)) as line:
            with suppress(BrokenPipeError):  # it may hang up before it was sent all of what is too large
                line.request("POST", "/", body)
            response = line.getresponse()
            response.read()
            answers.append(response.status)
    with closing(Line(path)) as line:
        line.request("GET", "/status")
        answers.append(line.getresponse().status)
    assert answers == [200, 403, 413, 501]


def test_headers_made_here_are_what_a_wallet_would_take() -> None:
    """The control of the scenes above."""
    assert isinstance(HEADERS[1].header, CometHeader)
    assert HEADERS[2].header.previous == comet_hash(HEADERS[1].header)
    assert trusted_from(GENESIS).following == validators_hash(VOTING.set)


def test_two_members_must_say_the_same_of_whose_turn_it_is() -> None:
    """NET-49."""

    def put(question: Question, height: int, page: int) -> bytes:
        return b'{"result": {"proposer_priority": "1"}}'

    def lie(question: Question, height: int, page: int) -> bytes:
        return b'{"result": {"proposer_priority": "9"}}'

    told = json.loads(answered(put, lie, asked(method="validators", params={"height": "50"})))
    assert told["error"]["data"] == "node/members-disagree"
    assert "result" in json.loads(answered(put, put, asked(method="validators", params={"height": "50"})))
    assert "result" in json.loads(answered(put, lie, asked(method="commit", params={"height": "50"})))  # that is proven by votes
