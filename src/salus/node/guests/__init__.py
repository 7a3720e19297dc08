"""Whom a node serves beside its own home: the book of its guests, what they have used today, and the check at the door."""
