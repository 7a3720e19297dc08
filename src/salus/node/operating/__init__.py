"""What an operator does with a node: look at it, go through it, back it up, restore it."""
