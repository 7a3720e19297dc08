"""Eight threads decode what nobody has decoded before, at once: what a node's first requests are."""

from __future__ import annotations

import sys
import threading

from salus.codec import decode, encode
from salus.ledger.modules.prescriptions.messages import AcceptFill, IssuePrescription, NewFill
from salus.ledger.tx import Body, Signature, Transaction

KEY = b"k" * 32
ACTIONS = (IssuePrescription(KEY, KEY, KEY, False, 0, (NewFill(KEY, 0, 9),)), AcceptFill(KEY, 0, KEY, KEY, 9))
BODY = Body(KEY, 9, b"n" * 16, KEY, ACTIONS)
SHAPES = ((Transaction(BODY, (Signature(KEY, b"s" * 64),)), Transaction), (BODY, Body), *((one, type(one)) for one in ACTIONS))


def main() -> None:
    """Each thread has another shape, which holds the others' or is held by them."""
    sys.setswitchinterval(1e-6)
    begun, data = threading.Barrier(8), [(encode(value), shape) for value, shape in SHAPES]

    def first(number: int) -> None:
        begun.wait()
        decode(*data[number % len(data)], limit=1 << 20)

    threads = [threading.Thread(target=first, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
