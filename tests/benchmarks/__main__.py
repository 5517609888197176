"""`python -m tests.benchmarks NAME [--quick] [--threads N]`: run one benchmark of this folder, or all."""

import argparse
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from threadpoolctl import threadpool_limits

from tests.benchmarks.timing import header

SHARED = {"__init__", "__main__", "timing"}
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*NAMES, "all"])
    parser.add_argument("--quick", action="store_true", help="small data and few repeats")
    parser.add_argument("--threads", type=int, help="threads that BLAS may use")
    options = parser.parse_args()
    for name in NAMES if options.name == "all" else [options.name]:
        benchmark = import_module(f"tests.benchmarks.{name}")
        threads = getattr(benchmark, "THREADS", options.threads)  # some are about one thread
        with threadpool_limits(threads) if threads else nullcontext():
            print(header(threads))
            benchmark.main(quick=options.quick)


main()
