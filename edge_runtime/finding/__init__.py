"""Finding boxes: what the network announces, and whose key answers at an address."""
