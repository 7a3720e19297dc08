"""The ledger module ``orders``."""
