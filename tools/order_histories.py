"""Orders by chance, as many actions as one likes, against the model that tests hold the ledger to.

``PYTHONPATH=src:tests python tools/order_histories.py 100000``: prints what went otherwise, and exits with 1 where something did.
"""

from __future__ import annotations

import sys

from orders_world import history

LENGTH = 500  # actions of one history, on a ledger of its own


def main() -> None:
    """Play them all."""
    actions = int(sys.argv[1])
    wrong = [line for seed in range(-(-actions // LENGTH)) for line in history(seed, LENGTH)]
    print("\n".join([*wrong, f"{actions} actions, {len(wrong)} otherwise than the model"]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
