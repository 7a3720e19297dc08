"""What people do, one file a capability. Each takes an `Agent` and local names, and returns plain values."""
