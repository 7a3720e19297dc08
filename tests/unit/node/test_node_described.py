"""Every answer is one that OpenAPI describes, whatever a body of the route's shape says. `make schemathesis` asks at length."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node_world import MEMBER, NONE, NodeWorld, ask, founding, key, running
from salus.codec import encode
from salus.ledger.genesis import network_id
from salus.node.api import POSTS, described
from salus.node.config import Config
from shapes import anything

SHAPES = {(method, path): (shape, bound) for method, path, shape, bound, *_ in POSTS}
KNOWN = (network_id(founding()), MEMBER, NONE, key("Ada").public)
QUICK = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeWorld]:
    with running(tmp_path_factory.mktemp("described"), config=Config(anchor_seconds=86_400, guests="open")) as made:
        made.fill("Ada", b"x" * 1024)
        yield made


@pytest.mark.parametrize(("method", "path"), SHAPES)
@QUICK
@given(data=st.data())
def test_every_answer_is_as_it_is_described(world: NodeWorld, method: str, path: str, data: st.DataObject) -> None:
    """API-2, API-3."""
    shape, bound = SHAPES[method, path]
    body = encode(data.draw(anything(shape, KNOWN)))
    assert len(body) <= bound
    answer = ask(world.node, method, path, body)
    answers = described()["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in answers
    assert answer.status_code < 500 or answer.json()["code"] == "node/no-peer"
    assert answer.headers["content-type"].partition(";")[0] in answers[str(answer.status_code)]["content"]
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.status_code == 200 or set(answer.json()) == {"type", "title", "status", "code"}
