"""The ledger module ``licences``."""
