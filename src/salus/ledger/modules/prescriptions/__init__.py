"""The ledger module ``prescriptions``."""
