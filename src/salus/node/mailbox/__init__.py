"""Mailboxes: sealed store-and-forward logs, one a principal. Who writes to whom is nobody's business, and not on the ledger."""
