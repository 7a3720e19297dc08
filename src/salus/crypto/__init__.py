"""Thin typed wrappers over reviewed libraries. Few verbs, and no choices for the caller."""
