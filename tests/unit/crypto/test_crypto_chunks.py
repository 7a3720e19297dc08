"""Chunks under a passphrase: whatever is flipped, cut off, moved, doubled, appended or spliced is refused. (EXP-2 to EXP-8)"""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.codec import decode, encode
from salus.crypto import chunks
from salus.crypto.chunks import MAX_CHUNK, ChunkWriter, read_chunks
from salus.crypto.passphrase import Cost, Locked
from salus.errors import SalusError

CHEAP = Cost(1, 1, 8192)
MAGIC = b"salus-test-1\n"


def seal(data: bytes, size: int = 8, passphrase: str = "pass") -> bytes:
    sink = io.BytesIO()
    writer = ChunkWriter(sink, MAGIC, passphrase, CHEAP, size)
    writer.write(data)
    writer.finish()
    return sink.getvalue()


def outcome(data: bytes, passphrase: str = "pass", magic: bytes = MAGIC) -> str:
    try:
        return b"".join(read_chunks(io.BytesIO(data), magic, passphrase)).decode("latin-1")
    except SalusError as error:
        return error.full_code


def parts(data: bytes) -> list[bytes]:
    """The head, and each chunk with its length in front."""
    at = len(MAGIC)
    found, start = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[start:end])
        at = start = end
    return found


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 17, 40])
def test_what_was_written_is_read_in_chunks_none_of_them_larger_than_allowed(length: int) -> None:
    plain = bytes(range(length))
    sealed = seal(plain)
    assert b"".join(read_chunks(io.BytesIO(sealed), MAGIC, "pass")) == plain
    assert len(parts(sealed)) - 1 == max(1, -(-length // 8))


def test_large_writes_become_chunks_of_a_mebibyte() -> None:
    sealed = seal(bytes(2 * MAX_CHUNK + 1), MAX_CHUNK)
    assert [len(chunk) for chunk in read_chunks(io.BytesIO(sealed), MAGIC, "pass")] == [MAX_CHUNK, MAX_CHUNK, 1]
    larger = seal(bytes(2 * MAX_CHUNK), MAX_CHUNK + 1)
    assert outcome(larger) == "crypto/wrong-chunk"


def test_every_flipped_bit_is_refused() -> None:
    sealed = seal(b"a record of some length")
    head = len(parts(sealed)[0])
    places = [*((at, 1) for at in range(head)), *((at, 1 << bit) for at in range(head, len(sealed)) for bit in range(8))]
    for at, mask in places:
        code = outcome(sealed[:at] + bytes([sealed[at] ^ mask]) + sealed[at + 1 :])
        assert code.startswith(("crypto/", "codec/")), (at, mask)


def test_every_truncation_and_everything_behind_the_end_is_refused() -> None:
    sealed = seal(b"a record of some length")
    for length in range(len(sealed)):
        assert outcome(sealed[:length]) in ("crypto/cut-off", "crypto/not-this-file"), length
    for more in (b"\x00", bytes(3), bytes(4), bytes(40), b"\xff" * 4, parts(sealed)[-1], sealed):
        assert outcome(sealed + more) in ("crypto/wrong-chunk", "crypto/cut-off")


def test_chunks_moved_doubled_left_out_or_of_another_file_are_refused() -> None:
    head, first, second, third = parts(seal(b"x" * 24))
    other_head, other_first, *_ = parts(seal(b"y" * 24))
    assert outcome(head + first + second + third) == "x" * 24
    for what in (
        head + second + first + third,
        head + first + first + second + third,
        head + first + third,
        head + first + second + third + third,
        head + other_first + second + third,
        head + third,
    ):
        assert outcome(what) == "crypto/wrong-chunk"
    assert outcome(head + first + second) == "crypto/cut-off"
    assert outcome(head) == "crypto/cut-off"
    assert outcome(other_head + first + second + third) == "crypto/wrong-chunk"


@given(st.binary(max_size=64), st.data())
@settings(max_examples=25, deadline=None)
def test_no_mutation_is_read_as_another_text(plain: bytes, data: st.DataObject) -> None:
    sealed = seal(plain)
    start = data.draw(st.integers(0, len(sealed)))
    end = data.draw(st.integers(start, min(len(sealed), start + 8)))
    broken = sealed[:start] + data.draw(st.binary(max_size=8)) + sealed[end:]
    code = outcome(broken)
    assert code.startswith(("crypto/", "codec/")) if broken != sealed else code == plain.decode("latin-1")


def test_the_passphrase_and_the_kind_of_file_count() -> None:
    sealed = seal(b"text")
    assert outcome(sealed, "other") == "crypto/cannot-open"
    assert outcome(sealed, magic=b"salus-else-1\n") == "crypto/not-this-file"
    assert outcome(b"") == "crypto/not-this-file"


@pytest.mark.parametrize("cost", [Cost(17, 1, 8192), Cost(1, 9, 8192), Cost(1, 1, 1_048_577), Cost(0, 1, 8192), Cost(1, 1, 8191)])
def test_parameters_out_of_bounds_are_refused_before_any_key_is_derived(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal(b"text")
    start = len(MAGIC) + 4
    head = parts(sealed)[0]
    locked = encode(msgspec.structs.replace(decode(head[start:], Locked, limit=1024), cost=cost))
    forged = MAGIC + len(locked).to_bytes(4, "big") + locked + sealed[len(head) :]
    derived: list[object] = []
    monkeypatch.setattr("salus.crypto.passphrase._stretch", lambda *given: derived.append(given) or bytes(32))
    assert outcome(forged) == "codec/not-decodable"
    assert derived == []


def test_a_head_of_any_size_is_not_taken_in() -> None:
    assert outcome(MAGIC + (chunks.MAX_LOCKED + 1).to_bytes(4, "big") + bytes(5000)) == "crypto/wrong-chunk"
