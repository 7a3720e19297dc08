"""The rooms of the simulator: a world of homes and a node, faults, a model of what must hold, and the steps between them."""
