"""Pruning: what is removed from a network, how it is held removed, and how the rest is stored."""
