"""The sealed world, for key holders only: epochs, entries, the fold, grants."""
