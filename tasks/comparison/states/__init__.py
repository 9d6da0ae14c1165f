"""A comparison's state: written for another machine, and read from a stranger."""
