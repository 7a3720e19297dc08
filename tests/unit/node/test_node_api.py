"""The node's HTTP API: routes, bounds, problems, and nothing in an answer or a log that should not be there."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node_world import MEMBER, NONE, START, NodeWorld, ask, blob, from_home, key, running
from salus import __version__
from salus.codec import decode, encode
from salus.errors import NodeRefused, SalusError
from salus.exchange.api import NodeStatus, StatesAnswer, StatesRequest, Submission, TxStatus
from salus.exchange.envelopes import Drop, Post
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect
from salus.ledger.genesis import Genesis
from salus.ledger.header import SignedHeader
from salus.ledger.modules.members.state import member_key
from salus.ledger.verifying import require_answer, require_header
from salus.node import api, problems
from salus.node.api import GETS, MEDIA, POSTS
from salus.node.logs import OneLine
from salus.warrants.receipts import ReceiptsAnswer

PATHS = [row[:2] for row in POSTS]


def require_problem(answer: httpx.Response, status: int, code: str) -> None:
    """An RFC 9457 problem of just these four members, with a title of one line."""
    found = answer.json()
    assert (answer.status_code, found["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (found["type"], found["status"], sorted(found)) == ("about:blank", status, ["code", "status", "title", "type"])
    assert found["title"]
    assert "\n" not in found["title"]
    assert "/" not in found["title"].replace("application/vnd.salus+msgpack", "")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    """One node for all that changes nothing that another test looks at."""
    with running(tmp_path_factory.mktemp("api")) as made:
        yield made


def test_what_a_node_says_of_itself(world: NodeWorld) -> None:
    """API-1, API-10, API-11."""
    health = ask(world.node, "GET", "/v1/health")
    assert (health.status_code, health.headers["content-type"]) == (200, "application/json")
    assert health.json() == {"status": "ok", "version": __version__}
    status = ask(world.node, "GET", "/v1/status")
    assert status.headers["content-type"] == MEDIA
    assert decode(status.content, NodeStatus, limit=1_000).member == MEMBER
    genesis = ask(world.node, "GET", "/v1/genesis")
    assert decode(genesis.content, Genesis, limit=100_000) == world.genesis


def test_headers_by_height_and_newest(tmp_path: Path) -> None:
    """API-12."""
    with running(tmp_path) as world:
        world.fill("Ada")
        for name, height in (("0", 0), ("1", 1), ("newest", 1)):
            signed = decode(ask(world.node, "GET", f"/v1/headers/{name}").content, SignedHeader, limit=1_000)
            require_header(world.genesis, signed)
            assert signed.header.height == height
        world.clock.now += 10_002
        for query, height in (("", 1), ("?fresh=0", 1), ("?fresh=1", 2), ("?fresh=1", 2)):
            signed = decode(ask(world.node, "GET", f"/v1/headers/newest{query}").content, SignedHeader, limit=1_000)
            assert signed.header.height == height


@pytest.mark.parametrize("height", ["2", "-1", "+1", "1.0", "x", "²", "9" * 16, "1" * 400, "newest2", "NEWEST", "%00"])
def test_a_height_that_is_none_is_not_found(world: NodeWorld, height: str) -> None:
    """API-12."""
    require_problem(ask(world.node, "GET", f"/v1/headers/{height}"), 404, "node/no-such-height")


@pytest.mark.parametrize("name", ["x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "%20" + "0" * 64, "0" * 62 + "%C2%B2", "00 " * 32])
def test_an_id_that_is_none_is_refused(world: NodeWorld, name: str) -> None:
    """API-14."""
    require_problem(ask(world.node, "GET", f"/v1/transactions/{name}"), 400, "node/bad-id")


def test_a_transaction_goes_in_and_its_end_is_told(tmp_path: Path) -> None:
    """API-13, API-14."""
    with running(tmp_path) as world:
        body = world.body(world.creation("Ada"))
        submission = from_home(world.submission(body, [key("Ada")], [blob("package of Ada")]))
        done = decode(ask(world.node, "POST", "/v1/transactions", submission).content, TxStatus, limit=1_000)
        assert (done.height, done.refusal) == (1, "")
        told = ask(world.node, "GET", f"/v1/transactions/{done.body.hex()}")
        assert decode(told.content, TxStatus, limit=1_000) == done
        unknown = ask(world.node, "GET", f"/v1/transactions/{NONE.hex()}")
        assert decode(unknown.content, TxStatus, limit=1_000) == TxStatus(NONE, 0, "")


def test_state_comes_with_proofs_under_one_header(world: NodeWorld) -> None:
    """API-17."""
    asked = encode(StatesRequest((member_key(MEMBER), b"nothing")))
    answers = decode(ask(world.node, "POST", "/v1/states", asked).content, StatesAnswer, limit=100_000).answers
    found = [require_answer(world.genesis, answer) for answer in answers]
    assert found[0] is not None
    assert found[1] is None
    assert answers[0].header == answers[1].header


def test_letters_and_receipts_over_the_api(tmp_path: Path) -> None:
    """API-25, API-30, API-31."""
    with running(tmp_path) as world:
        box = mailbox_id(key("Ada").public)
        claim = sign_claim(key("Ada"), world.network, MEMBER, bytes(16), 1)
        opened = ask(world.node, "PUT", "/v1/mailboxes", from_home(claim))
        assert (opened.status_code, opened.content, opened.headers["content-type"]) == (200, b"", MEDIA)
        dropped = ask(world.node, "POST", "/v1/mailboxes/letters", encode(Drop(MEMBER, box, bytes(16), b"sealed")))
        assert (dropped.status_code, dropped.content) == (200, b"")
        asked = encode(sign_collect(key("Ada"), world.network, MEMBER, 0, 0, bytes(16), world.clock.now))
        post = decode(ask(world.node, "POST", "/v1/mailboxes/collect", asked).content, Post, limit=10_000)
        assert [(letter.cursor - START, letter.sealed) for letter in post.letters] == [(1, b"sealed")]
        world.fill("Ada")
        answer = ask(world.node, "POST", "/v1/receipts", encode(world.owner_asks("Ada")))
        assert decode(answer.content, ReceiptsAnswer, limit=10_000).total == 0


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/health/", "/v1/nothing", "/docs", "/openapi.json", "/v1/headers/", "//v1/health"]
)
def test_an_unknown_path_is_a_problem(world: NodeWorld, path: str) -> None:
    """API-4."""
    require_problem(ask(world.node, "GET", path), 404, "node/no-such-path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/states", "POST"),
        ("POST", "/v1/health", "GET"),
        ("PUT", "/v1/transactions", "POST"),
        ("POST", "/v1/mailboxes", "PUT"),
        ("DELETE", f"/v1/transactions/{'0' * 64}", "GET"),
        ("OPTIONS", "/v1/entries", "POST"),
        ("TRACE", "/v1/health", "GET"),
        ("NONSENSE", "/v1/health", "GET"),
    ],
)
def test_a_wrong_method_is_a_problem(world: NodeWorld, method: str, path: str, allowed: str) -> None:
    """API-4."""
    answer = ask(world.node, method, path)
    assert answer.headers["allow"] == allowed
    require_problem(answer, 405, "node/wrong-method")


def test_a_head_is_not_taken_either(world: NodeWorld) -> None:
    """API-4."""
    assert ask(world.node, "HEAD", "/v1/health").status_code == 405


@pytest.mark.parametrize(
    "media", ["", "application/json", "text/plain", "application/x-www-form-urlencoded", f"{MEDIA}; charset=utf-8"]
)
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_body_of_another_type_is_a_problem(world: NodeWorld, method: str, path: str, media: str) -> None:
    """API-5: no web page can send what a node takes."""
    require_problem(ask(world.node, method, path, b"\x90", media), 415, "node/wrong-media-type")


MALFORMED = {
    "nothing": (b"", "codec/not-decodable"),
    "JSON": (b'{"a": 1}', "codec/not-decodable"),
    "a name": (b"\xa3Ada", "codec/not-decodable"),
    "another shape": (encode(TxStatus(NONE, 0, "")), "codec/not-decodable"),
    "cut off": (b"\x92\xa6", "codec/not-decodable"),
    "deep": (b"\x91" * 100_000, "codec/not-decodable"),
    "a large count": (b"\xdd\xff\xff\xff\xff", "codec/not-decodable"),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_malformed_body_is_a_problem(world: NodeWorld, method: str, path: str, what: str) -> None:
    """API-3, API-6."""
    content, code = MALFORMED[what]
    require_problem(ask(world.node, method, path, content), 400, code)


def test_a_body_that_is_not_canonical_is_a_problem(world: NodeWorld) -> None:
    """API-6."""
    canonical = encode(StatesRequest((b"a",)))
    longer = canonical.replace(b"\xc4\x01a", b"\xc5\x00\x01a")
    assert longer != canonical
    require_problem(ask(world.node, "POST", "/v1/states", longer), 400, "codec/not-canonical")
    require_problem(ask(world.node, "POST", "/v1/states", canonical + b"\x00"), 400, "codec/not-decodable")


@pytest.mark.parametrize(("method", "path", "bound"), [(row[0], row[1], row[3]) for row in POSTS if row[1] != "/v1/transactions"])
def test_a_body_is_bounded_while_it_is_read(world: NodeWorld, method: str, path: str, bound: int) -> None:
    """API-7: an endless body is refused as soon as it is over the bound."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    require_problem(ask(world.node, method, path, endless()), 413, "node/body-too-large")
    assert bound < sent <= bound + 65_536
    require_problem(ask(world.node, method, path, bytes(bound)), 400, "codec/not-decodable")


def test_the_bound_of_a_submission_is_64_mebibytes() -> None:
    """API-7."""
    assert {row[1]: row[3] for row in POSTS} == {
        "/v1/transactions": 67_108_864,
        "/v1/states": 262_144,
        "/v1/entries": 262_144,
        "/v1/receipts": 262_144,
        "/v1/mailboxes": 262_144,
        "/v1/mailboxes/letters": 2_097_152,
        "/v1/mailboxes/collect": 262_144,
        "/v1/guests": 262_144,
        "/v1/peers": 262_144,
        "/v1/peers/engine": 262_144,
        "/v1/peers/blobs": 33_619_968,
        "/v1/cards": 262_144,
        "/v1/listings": 262_144,
        "/v1/listings/search": 262_144,
        "/v1/pages": 262_144,
        "/v1/pages/search": 262_144,
    }


def test_a_body_that_does_not_arrive_is_given_up(world: NodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-8."""
    monkeypatch.setattr(api, "READ_SECONDS", 0.01)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"\x92"
        await asyncio.Event().wait()

    require_problem(ask(world.node, "POST", "/v1/states", stalled()), 408, "node/timeout")


def test_every_refusal_has_the_status_of_the_table() -> None:
    """API-3, ERR-3."""
    lines = (Path(__file__).parents[3] / "spec" / "errors.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in lines if line.startswith("| `")]
    listed = {code: status for code, _, status in rows if status.isdigit()}
    assert len(listed) > 50
    for code, status in listed.items():
        error = next(kind for kind in SalusError.__subclasses__() if kind.codespace == code.partition("/")[0])
        assert str(problems.problem(error(code.partition("/")[2], "x")).status_code) == status, code


BROKEN: list[tuple[Callable[[NodeWorld], Any], tuple[str, str, bytes | None], int, str]] = [
    (
        lambda w: w.blob_path(blob("one")).parent.write_bytes(b""),
        ("POST", "/v1/transactions", None),
        503,
        "node/storage-failed",
    ),
    (lambda w: w.node.engine._store.close(), ("GET", "/v1/status", None), 503, "node/storage-failed"),
    (lambda w: setattr(w.node, "_genesis", object()), ("GET", "/v1/genesis", None), 500, "node/unexpected"),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("harm", "request_", "status", "code"), BROKEN, ids=["a file for a folder", "no database", "a fault"])
def test_what_breaks_inside_tells_nothing_of_itself(
    tmp_path: Path, harm: Callable[[NodeWorld], Any], request_: tuple[str, str, bytes | None], status: int, code: str
) -> None:
    """API-9."""
    with running(tmp_path) as world:
        world.fill("Ada")
        method, path, content = request_
        if method == "POST":
            submission = world.submission(world.body(world.entry("Ada", blob("one"))), [key("Ada")], [blob("one")])
            content = from_home(submission)
        harm(world)
        answer = ask(world.node, method, path, content)
        require_problem(answer, status, code)
        assert str(tmp_path).encode() not in answer.content


def test_the_log_has_a_line_with_kind_and_place_and_no_text() -> None:
    """API-9."""
    try:
        json.loads("Clemente Kreiger")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "Exception in ASGI application\n", None, info)
    assert OneLine().format(record).startswith("salus: node/unexpected: JSONDecodeError in decoder.py:")
    assert "Clemente" not in OneLine().format(record)
    plain = logging.LogRecord("uvicorn.error", logging.WARNING, __file__, 1, "Invalid %s.\n", ("request",), None)
    assert OneLine().format(plain) == "salus: Invalid request."


def test_the_description_that_is_kept_is_the_one_that_is_served(world: NodeWorld) -> None:
    """API-2: `python tools/openapi.py` writes it anew."""
    kept = Path(__file__).parents[3] / "spec" / "openapi.json"
    assert json.loads(kept.read_text("utf-8")) == ask(world.node, "GET", "/v1/openapi.json").json()


def test_the_empty_key_is_proven_absent_like_any_other(world: NodeWorld) -> None:
    """API-17: a stranger's question is no failure of the disk."""
    answer = ask(world.node, "POST", "/v1/states", encode(StatesRequest((b"",))))
    assert answer.status_code == 200
    (found,) = decode(answer.content, StatesAnswer, limit=100_000).answers
    assert require_answer(world.genesis, found) is None


def test_the_description_is_openapi_3_1_with_every_route_and_its_problems(world: NodeWorld) -> None:
    """API-2."""
    found = ask(world.node, "GET", "/v1/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    kinds = {row[0]: row[2] for row in GETS}
    routes = {(row[0], row[1]): row[5] for row in POSTS} | {("GET", row[0]): row[3] for row in GETS}
    listed = {
        (method.upper(), path): described for path, methods in found["paths"].items() for method, described in methods.items()
    }
    assert set(listed) == set(routes)
    for place, described in listed.items():
        answers = described["responses"]
        assert set(answers) == {"200", *map(str, routes[place])}
        assert {"500", "503"} <= set(answers)
        for status, answer in answers.items():
            assert list(answer["content"]) == ["application/problem+json" if status != "200" else kinds.get(place[1], MEDIA)]
        if (method := place[0]) != "GET":
            assert {"400", "408", "413", "415"} <= set(answers), method
            assert list(described["requestBody"]["content"]) == [MEDIA]
        names = [part[1:-1] for part in place[1].split("/") if part.startswith("{")]
        assert [parameter["name"] for parameter in described.get("parameters", []) if parameter["in"] == "path"] == names


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(content=st.binary(max_size=400), place=st.sampled_from(PATHS), cut=st.integers(0, 400))
def test_random_bytes_are_a_problem_and_never_a_fault(world: NodeWorld, content: bytes, place: tuple[str, str], cut: int) -> None:
    """API-6."""
    valid = {
        "/v1/states": encode(StatesRequest((b"a",))),
        "/v1/transactions": encode(Submission(content, ())),
        "/v1/mailboxes/letters": encode(Drop(MEMBER, NONE, bytes(16), content)),
    }.get(place[1], b"")
    for data in (content, valid[:cut] + content, content + valid):
        answer = ask(world.node, *place, data)
        assert answer.status_code in (200, 400, 403, 404, 413)
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert place[1] == "/v1/states"


def test_a_refusal_keeps_its_code_and_line() -> None:
    """API-3."""
    assert json.loads(bytes(problems.problem(NodeRefused("stopped")).body)) == {
        "type": "about:blank",
        "title": "stopped",
        "status": 503,
        "code": "node/stopped",
    }
