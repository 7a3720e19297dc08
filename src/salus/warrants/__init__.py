"""What a vault may check without opening anything: warrants, holders' proofs, receipts and their anchors."""
