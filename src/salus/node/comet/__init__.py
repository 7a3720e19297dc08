"""The engine of a network that several members order: CometBFT, and the application as it speaks to it (ABCI 2.0)."""
