"""The pure core: (state, results) = f(state, block). No clock but the block time, no chance, no I/O."""
