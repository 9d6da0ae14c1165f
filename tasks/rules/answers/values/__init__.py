"""How numbers, units and expressions are written, and which are equal."""
