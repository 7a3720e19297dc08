"""The ledger module ``revocations``."""
