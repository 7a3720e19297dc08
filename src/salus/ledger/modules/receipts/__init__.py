"""The ledger module ``receipts``."""
