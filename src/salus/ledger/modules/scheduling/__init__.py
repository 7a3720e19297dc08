"""The ledger module ``scheduling``."""
