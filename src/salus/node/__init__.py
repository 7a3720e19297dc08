"""The node wing: the shell around the ledger's core, the vault, the mailboxes, the API. It opens nothing, and can only check."""
