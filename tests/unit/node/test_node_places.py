"""How much a node takes on at once, and whose it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from node_world import MEMBER, ask, blob, code, from_home, key, preimage, running
from salus.errors import NodeRefused
from salus.exchange.client import NodeClient
from salus.ledger.modules.revocations.messages import Revoke
from salus.node.peers import PeerClient
from salus.node.places import Places, Room

HERE, THERE, THIRD = bytes(32), b"\1" * 32, b"\2" * 32


def taken(stack: ExitStack, places: Places, sponsor: bytes, *, protects: bool = False) -> int:
    """How many places the sponsor gets until it is refused."""
    number = 0
    while True:
        try:
            stack.enter_context(places.of(sponsor, protects=protects))
        except NodeRefused:
            return number
        number += 1


def test_a_sponsor_alone_has_half_of_the_places_and_others_always_find_some() -> None:
    """API-90."""
    places = Places(64)
    with ExitStack() as stack:
        assert [taken(stack, places, sponsor) for sponsor in (HERE, THERE, THIRD)] == [32, 16, 8]
    with ExitStack() as stack:
        assert taken(stack, places, THIRD) == 32


def test_what_protects_rights_gets_the_last_place_too() -> None:
    """API-90."""
    places = Places(64)
    with ExitStack() as stack:
        taken(stack, places, HERE)
        assert taken(stack, places, HERE, protects=True) == 32


def test_a_place_is_free_again_whatever_became_of_the_transaction() -> None:
    places = Places(2)
    for _ in range(3):
        with pytest.raises(KeyError), places.of(HERE, protects=False):
            raise KeyError
    with places.of(HERE, protects=False):
        assert code(lambda: places.of(HERE, protects=False).__enter__()) == "node/sponsor-busy"


def test_a_node_whose_places_are_taken_says_when_to_come_again_and_lets_a_patient_leave(tmp_path: Path) -> None:
    """API-90, API-92: 429 with `Retry-After`; the same bytes are let in a moment later, and a revocation at once."""
    with running(tmp_path) as world:
        world.fill("Ada")
        body = world.body(world.entry("Ada", blob("late")))
        late = from_home(world.submission(body, [key("Ada")], [blob("late")]))
        leaving = from_home(world.submission(world.body(Revoke(preimage("gone")))))
        with ExitStack() as stack:
            taken(stack, world.node.places, MEMBER)
            answer = ask(world.node, "POST", "/v1/transactions", late)
            assert (answer.status_code, answer.json()["code"]) == (429, "node/sponsor-busy")
            assert answer.headers["retry-after"] == "1"
            assert ask(world.node, "POST", "/v1/transactions", leaving).status_code == 200
        assert ask(world.node, "POST", "/v1/transactions", late).status_code == 200


def test_bodies_have_room_and_no_more(tmp_path: Path) -> None:
    """API-91."""
    with running(tmp_path) as world:
        world.node.room = Room(1_000)
        late = from_home(world.submission(world.body(Revoke(preimage("gone")))))
        assert len(late) < 1_000
        for size, status, told in ((1_001, 503, "node/busy"), (1_000, 400, "codec/not-decodable")):
            answer = ask(world.node, "POST", "/v1/transactions", b"\xc1" * size)
            assert (answer.status_code, answer.json()["code"]) == (status, told)
        assert ask(world.node, "POST", "/v1/transactions", late).status_code == 200


def test_room_is_free_again_behind_whoever_had_it() -> None:
    """API-91."""
    room = Room(10)
    with room.held() as take:
        take(6)
        with room.held() as other:
            other(4)
            assert code(lambda: other(1)) == "node/busy"
        take(4)
    with room.held() as take:
        take(10)


def test_what_may_still_be_ordered_is_undecided_to_an_agent() -> None:
    """NET-10: it keeps what it sent, and sends the same bytes again."""
    body = b'{"code": "node/not-ordered", "title": "nobody knows yet"}'
    with answering((503, {}), (503, {}), body=body) as (url, _):
        for shape, told in ((NodeClient, "agent/undecided"), (PeerClient, "node/not-ordered")):
            client = shape(url)
            assert code(client.status) == told
            client.close()


@contextmanager
def answering(*answers: tuple[int, dict[str, str]], body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, and the paths that it was asked for."""
    left, asked = list(answers), list[str]()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers = left.pop(0)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("shape", "header", "times"),
    [
        (NodeClient, "0", 6),
        (PeerClient, "0", 1),
        (NodeClient, "12", 1),
        (NodeClient, "-1", 1),
        (NodeClient, "soon", 1),
        (NodeClient, "", 1),
    ],
)
def test_an_agent_asks_a_busy_node_again_and_a_node_does_not(shape: type[NodeClient], header: str, times: int) -> None:
    """API-92: as often as it has patience, when the node says in less than ten seconds."""
    with answering(*[(429, {"retry-after": header})] * 6) as (url, asked):
        client = shape(url)
        assert code(client.status) in ("agent/node-unreachable", "node/peer-unreachable")
        assert len(asked) == times
        client.close()
