"""The search for the smallest or fastest network within limits."""
