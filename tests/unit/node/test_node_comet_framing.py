"""Messages behind their lengths, however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import Malformed
from salus.node.comet.framing import Frames, framed


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_messages_come_whole_however_the_bytes_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    data, frames, found = b"".join(map(framed, messages)), Frames(), list[bytes]()
    at, turn = 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        found += frames.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert found == messages


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 70_000])
def test_a_message_of_any_length_comes_back(size: int) -> None:
    assert list(Frames().feed(framed(b"\0" * size))) == [b"\0" * size]


@pytest.mark.parametrize(
    "data", [b"\xff" * 5, b"\xff\xff\xff\xff\x7f", b"\x80\x00", b"\x65" + b"\0" * 10, b"\x81\x80\x00"], ids=bytes.hex
)
def test_a_length_that_no_message_has_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="length"):
        list(Frames(100).feed(data))


def test_what_is_not_whole_waits() -> None:
    frames, data = Frames(), framed(b"x" * 1000)
    assert list(frames.feed(data[:1])) == []
    assert list(frames.feed(data[1:500])) == []
    assert list(frames.feed(data[500:] + b"\x80")) == [b"x" * 1000]
    assert list(frames.feed(b"\x01")) == []
