"""The ledger module ``governance``."""
