"""The story of `make run`, with its patients as package data."""
