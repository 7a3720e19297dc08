"""Figures and logs tell an operator how the node is, and nothing of anybody."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.config
from pathlib import Path

import httpx
import pytest

from node_world import QUIET, NodeWorld, ask, blob, figures, key, running
from salus.codec import encode
from salus.crypto.hashing import sha256
from salus.ledger.modules.sections.messages import Entomb
from salus.node.api import make_api
from salus.node.config import Config
from salus.node.logs import JsonLine, OneLine, logging_config, storage_line

LOUD = Config(anchor_seconds=86_400, log="json", access_log=True)


def busy(world: NodeWorld) -> list[str]:
    """A node that did much; every id, key and hash that was in it, in hexadecimal."""
    section = world.fill("Ada", blob("one"), blob("two"))
    body = world.submit(Entomb(section, 0), keys=[key("Ada")]).body
    read = world.read(world.own("Ada"), "Ada", (1,))
    assert ask(world.node, "POST", "/v1/entries", encode(read)).status_code == 200
    assert ask(world.node, "POST", "/v1/entries", encode(read)).json()["code"] == "warrants/replayed"
    assert ask(world.node, "GET", f"/v1/transactions/{body.hex()}?canary=secret").status_code == 200
    assert ask(world.node, "GET", "/v1/canary-path").status_code == 404
    world.node._anchoring.anchor()
    ids = [section, body, world.network, key("Ada").public, world.node.status().member]
    ids += [sha256(blob("one")), sha256(blob("two")), read.request.nonce]
    return [one.hex() for one in ids]


def test_the_figures_count_what_was_done(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        busy(world)
        found = figures(world.node)
    assert found["salus_height"] == 3
    assert found['salus_transactions_total{result="applied"}'] == 3
    assert found["salus_blocks_total"] == 3
    assert found["salus_receipts_total"] == found["salus_anchors_total"] == 1
    assert found["salus_anchor_age_seconds"] == 0
    assert found["salus_blobs"] == 2  # one entry and one key package
    assert found["salus_blob_bytes"] == 400
    assert found['salus_refusals_total{code="warrants/replayed"}'] == 1
    assert found['salus_requests_total{method="POST",route="/v1/entries",status="2xx"}'] == 1
    assert found['salus_requests_total{method="POST",route="/v1/entries",status="4xx"}'] == 1
    assert found['salus_requests_total{method="GET",route="none",status="4xx"}'] == 1
    assert found['salus_request_seconds_count{route="/v1/transactions/{body}"}'] == 1
    assert found["salus_disk_free_bytes"] > 0
    assert (found["salus_queue"], found["salus_letters"]) == (0, 0)
    assert found["salus_process_resident_memory_bytes"] > 0


def test_no_id_is_in_figures_or_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The canary: nothing that was in the requests is in what the operator sees."""
    logging.config.dictConfig(logging_config("json"))
    with running(tmp_path, config=LOUD) as world:
        ids = busy(world)
        seen = ask(world.node, "GET", "/v1/metrics").text + capsys.readouterr().err
    assert '"route": "/v1/transactions/{body}"' in seen
    for secret in (*ids, *(one[:12] for one in ids), "canary", "secret", "127.0.0.1"):
        assert secret not in seen


def test_a_request_has_one_line_with_the_id_that_its_answer_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(logging_config("json"))
    with running(tmp_path, config=LOUD) as world:
        answers = [ask(world.node, "GET", path) for path in ("/v1/health", "/v1/headers/99")]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["request"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert [(line["event"], line["route"], line["status"], line["code"]) for line in lines] == [
        ("request", "/v1/health", 200, None),
        ("request", "/v1/headers/{height}", 404, "node/no-such-height"),
    ]
    assert all(line["time"].endswith("Z") and line["ms"] >= 0 for line in lines)


def test_without_access_log_there_is_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(logging_config("text"))
    with running(tmp_path) as world:
        assert len(ask(world.node, "GET", "/v1/health").headers["x-request-id"]) == 16
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", [OneLine(), JsonLine()])
def test_a_disk_that_refuses_is_one_line_without_its_name(form: logging.Formatter, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("salus")
    logger.propagate = True
    try:
        raise OSError(28, "No space left on device", "/srv/secret")
    except OSError as error:
        storage_line(error)
    finally:
        logger.propagate = False
    line = form.format(caplog.records[-1])
    assert "node/storage-failed" in line
    assert "OSError" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("peer", "headers", "public", "status"),
    [
        ("127.0.0.1", {}, False, 200),
        ("::1", {}, False, 200),
        ("192.0.2.7", {}, False, 404),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, False, 404),
        ("192.0.2.7", {}, True, 200),
    ],
)
def test_figures_are_for_this_machine_unless_told_otherwise(
    tmp_path: Path, peer: str, headers: dict[str, str], public: bool, status: int
) -> None:
    config = Config(anchor_seconds=86_400, metrics_public=public)
    with running(tmp_path, config=config) as world:

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=make_api(world.node), client=(peer, 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
                return await client.get("/v1/metrics", headers=headers)

        answer = asyncio.run(send())
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "node/no-such-path"
    assert QUIET.metrics_public is False
