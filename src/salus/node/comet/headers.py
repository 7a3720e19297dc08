"""A committed header as CometBFT's RPC tells it (``/commit``), as a record of the ledger."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from salus.errors import NodeRefused
from salus.ledger.lightblock import BlockId, CometHeader, CommitSig, CommittedHeader, Validator

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def committed_header(told: Mapping[str, Any], validators: Sequence[Validator]) -> CommittedHeader:
    """The header and commit that ``/commit`` answers with, and the set that votes; `NodeRefused` ``wrong-engine`` otherwise.

    Whether it holds is not checked here: `salus.ledger.lightblock.require_committed` does that.
    """
    try:
        header, commit = told["header"], told["commit"]
        return CommittedHeader(
            _header(header), int(commit["round"]), _block(commit["block_id"]), _votes(commit), tuple(validators)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NodeRefused("wrong-engine", "the engine tells of a block in a way that is not understood") from error


def _header(told: Mapping[str, Any]) -> CometHeader:
    seconds, nanos = _time(told["time"])
    last = told.get("last_block_id") or {}
    return CometHeader(
        app_version=int(told["version"].get("app", "0")),
        chain_id=str(told["chain_id"]),
        height=int(told["height"]),
        seconds=seconds,
        nanos=nanos,
        last_block=_block(last) if last.get("hash") else None,
        last_commit=bytes.fromhex(told["last_commit_hash"]),
        data=bytes.fromhex(told["data_hash"]),
        validators=bytes.fromhex(told["validators_hash"]),
        next_validators=bytes.fromhex(told["next_validators_hash"]),
        consensus=bytes.fromhex(told["consensus_hash"]),
        app=bytes.fromhex(told["app_hash"]),
        last_results=bytes.fromhex(told["last_results_hash"]),
        evidence=bytes.fromhex(told["evidence_hash"]),
        proposer=bytes.fromhex(told["proposer_address"]),
    )


def _block(told: Mapping[str, Any]) -> BlockId:
    return BlockId(bytes.fromhex(told["hash"]), int(told["parts"]["total"]), bytes.fromhex(told["parts"]["hash"]))


def _votes(commit: Mapping[str, Any]) -> tuple[CommitSig, ...]:
    return tuple(
        CommitSig(int(told["block_id_flag"]), *_time(told["timestamp"]), base64.b64decode(told["signature"] or ""))
        if int(told["block_id_flag"]) != 1
        else CommitSig(1, 0, 0, b"")
        for told in commit["signatures"]
    )


def _time(text: str) -> tuple[int, int]:
    """Seconds since the epoch, and nanoseconds, of an RFC 3339 time in UTC."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    seconds = (datetime.fromisoformat(match[1]).replace(tzinfo=UTC) - _EPOCH).total_seconds()
    return int(seconds), int((match[2] or "0").ljust(9, "0"))
