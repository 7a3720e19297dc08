"""The vault: sealed blobs, and a receipt for every byte that is served."""
