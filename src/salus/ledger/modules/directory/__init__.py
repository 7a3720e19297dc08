"""The ledger module ``directory``."""
