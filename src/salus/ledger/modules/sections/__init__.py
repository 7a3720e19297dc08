"""The ledger module ``sections``."""
