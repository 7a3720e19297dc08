"""What the engine's log says is told in plain words, and nothing of it is repeated."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from salus.errors import NodeRefused
from salus.node.comet.process import GAVE_UP, LOG_BYTES, EngineProcess
from salus.node.comet.restarting import MOST, PAUSE, WITHIN, Restarts
from salus.node.comet.rpc import Rpc
from salus.node.comet.runtime import LOOK, LOOKS, Pace


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A program that says what lies in ``last`` and ends."""
    path = tmp_path / "engine"
    path.write_text(f"#!/bin/sh\ncat {tmp_path}/last\nexit 1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def cause(binary: Path, said: str) -> str:
    (binary.parent / "last").write_text(said)
    engine = EngineProcess(binary, binary.parent, binary.parent / "log")
    engine.start()
    while engine.alive:
        pass
    with pytest.raises(NodeRefused) as refused:
        engine.require_alive()
    assert refused.value.code == "engine-stopped"
    return refused.value.text


def test_a_taken_port_is_said_without_the_address(binary: Path) -> None:
    text = cause(binary, "ERROR: failed to start node: listen tcp 127.0.0.1:1: bind: address already in use\n")
    assert "taken" in text
    assert "127" not in text


def test_lines_that_are_no_errors_are_no_cause(binary: Path) -> None:
    assert "its log says why" in cause(binary, '{"level":"info","_msg":"genesis"}\n')


def test_an_engine_that_runs_and_orders_nothing_any_more_does_not_count_as_alive(tmp_path: Path) -> None:
    """NET-32."""
    said, binary = tmp_path / "said", tmp_path / "engine"
    binary.write_text(f"#!/bin/sh\necho started\ncat {said}\nexec sleep 60\n")
    binary.chmod(0o700)
    os.mkfifo(said)
    engine = EngineProcess(binary, tmp_path, tmp_path / "log")
    engine.start()
    try:
        engine.require_alive()
        said.write_text('{"level":"error","msg":"CONSENSUS FAILURE!!!","err":"write wal: no space left on device"}\n')
        while GAVE_UP not in (tmp_path / "log").read_bytes():
            assert engine.alive
        with pytest.raises(NodeRefused) as refused:
            engine.require_alive()
        assert refused.value.code == "engine-stopped"
        assert "room" in refused.value.text
        assert engine.alive
    finally:
        engine.stop()


def test_an_earlier_run_s_error_is_no_cause_of_this_one(binary: Path) -> None:
    cause(binary, "ERROR: address already in use\n")
    assert "its log says why" in cause(binary, "")


def test_a_large_log_is_moved_aside_at_the_start(binary: Path) -> None:
    log = binary.parent / "log"
    with log.open("wb") as file:
        file.truncate(LOG_BYTES + 1)
    cause(binary, "new\n")
    assert log.read_text() == "new\n"
    assert (binary.parent / "log.1").stat().st_size == LOG_BYTES + 1


def test_an_engine_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "deaf"
    ready = f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()"
    path.write_text(
        f"#!{sys.executable}\nimport pathlib, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{ready}\nsignal.pause()\n"
    )
    path.chmod(0o755)
    engine = EngineProcess(path, tmp_path, tmp_path / "log")
    engine.start()
    while not (tmp_path / "ready").exists():
        assert engine.alive
    assert not engine.stop(0.1)
    assert not engine.alive
    assert engine.stop()


def test_an_engine_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    rpc = Rpc(tmp_path / "none")
    with pytest.raises(NodeRefused) as refused:
        rpc.status()
    assert refused.value.code == "engine-unreachable"


def test_an_engine_that_stands_still_while_half_of_its_peers_go_on_is_found_out() -> None:
    """NET-32."""

    def found(*looked: tuple[int, list[int]]) -> bool:
        now = iter(range(0, 1000, int(LOOK)))
        pace, at = Pace(lambda: at), 0.0
        for look in looked:
            at = float(next(now))
            if pace.stands_still(lambda look=look: look):
                return True
        return False

    stuck = (5, [5, 7, 7])
    assert found(*[stuck] * (LOOKS + 1))
    assert not found(*[stuck] * LOOKS)
    assert not found(*[(5, [5, 7, 5])] * 20), "one peer alone says so"
    assert not found(*[(5, [6, 6, 6])] * 20), "they are about to tell"
    assert not found(*[(5, [])] * 20)
    assert not found(*[(height, [90, 90, 90]) for height in range(20)]), "it catches up"


def test_a_node_begins_again_a_few_times_each_after_a_longer_pause() -> None:
    """NET-35."""
    now = 0.0
    restarts = Restarts(lambda: now)
    pauses = [restarts.pause() for _ in range(MOST + 1)]
    assert pauses == [PAUSE * 2**number for number in range(MOST)] + [None]
    now = WITHIN
    assert restarts.pause() == PAUSE
