"""Benchmarks: `python -m tests.benchmarks solvers [--quick] [--threads 1]`. They print tables and assert nothing."""
