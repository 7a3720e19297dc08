"""The ledger module ``members``."""
