"""What a patient sees of a member whose bucket is away: the other member's vault serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_world import Server, eventually, keys, on_buckets, server
from members_world import Members, replicate, two_members
from salus.agent.services.proving import verify_own
from world import CLEMENTE, PATIENT

pytestmark = on_buckets


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as made, keys():
        yield made


@pytest.fixture
def members(store: Server, tmp_path: Path) -> Iterator[Members]:
    table = f'[store]\nurl = "s3://blobs"\nendpoint = "http://127.0.0.1:{store.port}"\ntimeout_seconds = 0.3\n'
    with two_members(tmp_path, table) as made:
        yield made


def test_while_a_members_bucket_is_away_the_other_members_vault_serves(members: Members, store: Server) -> None:
    """MEM-33, MEM-14."""
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.follow()
    eventually(members.first.node.blobs.move)
    assert store.objects()
    store.kill()
    assert verify_own(members.first.agent, PATIENT).troubles == ()
    replicate(members.first.node)
    assert members.first.node.blobs.waiting() == (0, 0)  # what cannot be asked is not taken for lost, and comes from nobody
