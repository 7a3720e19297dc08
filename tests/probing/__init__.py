"""Everybody asks for everything: a world, a table of who may what, and the requests that hold the node against it."""
