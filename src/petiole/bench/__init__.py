"""Measuring: latency, size and work of a network, the profiler, and the machine it was all measured on."""
