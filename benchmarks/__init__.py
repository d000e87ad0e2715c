"""Timings, each run from a shell as `python -m benchmarks.NAME`."""
