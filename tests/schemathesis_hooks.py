"""What Schemathesis needs to know of this API: bodies that are canonical bytes, and what else every answer must be."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import schemathesis
from hypothesis import strategies as st

from salus.codec import Record, encode
from salus.crypto.hashing import sha256
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect
from salus.exchange.peering import EngineAsk, PeerAsk, sign_ask
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect
from salus.exchange.references import CardDeposit, sign_deposit
from salus.ledger.modules.sections.messages import CreateSection, Epoch
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.node.api import MEDIA, POSTS
from salus.node.problems import BY_CODESPACE, STATUS
from salus.warrants.holding import sign_owner, sign_read
from salus.warrants.link import Warrant
from salus.warrants.requests import OwnerRequest, ReadRequest, SignedOwner, SignedRead
from shapes import anything

KEYS = tuple(SigningKey(sha256(bytes([number]))) for number in range(3))
TOKENS = tuple(bytes([number]) * 16 for number in range(3))
NETWORK, MEMBER = (bytes.fromhex(each) for each in os.environ["SALUS_PROBED"].split(","))
KNOWN = (NETWORK, MEMBER, bytes(32), *TOKENS, *(key.public for key in KEYS), *(mailbox_id(key.public) for key in KEYS))
SHAPES = {(method, path): shape for method, path, shape, *_ in POSTS}
ERRORS = (Path(__file__).parents[1] / "spec" / "errors.md").read_text("utf-8")
CODES = frozenset(re.findall(r"^\| `([a-z]+/[a-z-]+)` \|", ERRORS, re.MULTILINE))
#: What only somebody's disk or Python itself would say.
INSIDE = re.compile(r"Traceback|File \"|\.py\b|site-packages|/home/|/tmp/|Error\(|<class ", re.IGNORECASE)


@schemathesis.serializer(MEDIA)
def as_bytes(context: schemathesis.SerializationContext, value: Any) -> Any:
    """Bytes as they are; what is meant to be no bytes at all, as JSON of it."""
    value = getattr(value, "data", value)  # Schemathesis wraps what it makes itself
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@st.composite
def bodies(draw: st.DrawFn, method: str, path: str) -> bytes:
    """Signed as it must be; or of the route's shape, unsigned; or of another's; with something cut or changed; or any bytes."""
    shape = SHAPES[method, path]
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.binary(max_size=400))
    if how == 1:
        shape = draw(st.sampled_from(sorted(SHAPES.values(), key=lambda each: each.__name__)))
    data = encode(draw(signed(shape)) if how > 5 else draw(anything(shape, KNOWN)))
    if how in (2, 3):
        at = draw(st.integers(0, len(data)))
        return data[:at] + draw(st.binary(max_size=8)) + data[at + draw(st.integers(0, 8)) :]
    return data


@st.composite
def signed(draw: st.DrawFn, shape: type[Record]) -> Record:
    """A value of ``shape`` by somebody who has a key: it passes the first checks, and comes to those behind them."""
    key, now = draw(st.sampled_from(KEYS)), time.time_ns() // 1_000_000
    count, token, data = draw(st.integers(0, 9)), draw(st.sampled_from(TOKENS)), draw(st.binary(max_size=300))
    if shape is MailboxClaim:
        return sign_claim(key, NETWORK, MEMBER, token, count)
    if shape is MailboxCollect:
        return sign_collect(key, NETWORK, MEMBER, count, draw(st.integers(0, 9)), token, now)
    if shape is CardDeposit:
        return sign_deposit(key, NETWORK, MEMBER, count, data)
    if shape is Drop:
        return Drop(MEMBER, mailbox_id(key.public), draw(st.none() | st.just(token)), data)
    if shape is SignedOwner:
        return sign_owner(key, draw(anything(OwnerRequest, KNOWN)))
    if shape is SignedRead:
        return sign_read(key, draw(anything(ReadRequest, KNOWN)), draw(anything(Warrant, KNOWN)))
    if shape is PeerAsk:
        return sign_ask(key, draw(anything(PeerAsk, KNOWN)))
    if shape is EngineAsk:
        return sign_ask(key, draw(anything(EngineAsk, KNOWN)))
    if shape is Submission:
        return draw(submissions(now))
    return draw(anything(shape, KNOWN))


@st.composite
def submissions(draw: st.DrawFn, now: int) -> Submission:
    """A transaction signed by some of the keys, with blobs of which some are what it anchors."""
    data = draw(st.lists(st.binary(max_size=300), max_size=3, unique=True))
    action = anything(Action, (*KNOWN, *map(sha256, data)))
    created = CreateSection(
        draw(st.sampled_from(KEYS)).public, NETWORK, (Epoch(0, draw(st.integers(0, 9)), MEMBER, sha256(b"".join(data))),)
    )
    actions = draw(st.lists(action | st.just(created), min_size=1, max_size=3))
    body = Body(
        NETWORK,
        now + draw(st.sampled_from((60_000, 60_000, 0, 10**9))),
        draw(st.binary(min_size=16, max_size=16)),
        MEMBER,
        tuple(actions),
    )
    by = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique_by=lambda key: key.public))
    found = [Signature(key.public, key.sign(SIGNATURE_TAG, body_hash(body))) for key in by]
    transaction = Transaction(body, tuple(sorted(found, key=lambda each: each.key)))
    return Submission(encode(transaction), tuple([*data, b"".join(data)][: draw(st.integers(0, 4))]))


@schemathesis.hook
def before_generate_body(context: schemathesis.HookContext, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Bodies of the route's own shape, mostly."""
    method, path = context.operation.method.upper(), context.operation.path
    return st.one_of(bodies(method, path), bodies(method, path), strategy) if (method, path) in SHAPES else strategy


@schemathesis.check
def the_answer_is_one_of_the_specification(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A refusal is a problem whose code is registered and gives its status; nothing tells of the inside."""
    said = response.content.decode("utf-8", "replace")
    kind = response.headers["content-type"][0].partition(";")[0]
    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"][0])
    if response.status_code == 200:
        return
    assert kind == "application/problem+json", kind
    assert INSIDE.search(said) is None, said
    problem = msgspec.json.decode(response.content)
    assert set(problem) == {"type", "title", "status", "code"}, problem
    assert problem["code"] in CODES, problem
    assert problem["code"] != "node/unexpected", problem
    expected = STATUS.get(problem["code"], BY_CODESPACE.get(problem["code"].partition("/")[0], 500))
    assert response.status_code == problem["status"] == expected, problem
