"""What the benchmarks share: interleaved medians, a limit of time, and a table with a header that says where it ran."""

import os
import platform
import signal
import statistics
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy
import sklearn

import skce


def seconds(function):
    """Time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleave(functions, repeats):
    """Median time of each function, called in turn so that a busy moment of the machine hits all of them."""
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(seconds(function))
    return {name: statistics.median(values) for name, values in times.items()}


@contextmanager
def at_most(limit):
    """Raise TimeoutError in the block after so many seconds, as soon as it is back in Python."""

    def stop(signum, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def header(threads):
    """The machine and the versions that the numbers belong to."""
    return (
        f"skce {skce.__version__}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}; {os.cpu_count()} CPUs, {'with' if has_avx512() else 'without'} AVX-512; "
        f"BLAS threads: {threads or 'as many as it likes'}; load {os.getloadavg()[0]:.1f}"
    )


def has_avx512():
    """Whether NumPy's and BLAS's widest kernels can run here; False where the system does not tell."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "avx512f" in info.read_text()


def print_table(columns, rows):
    """Lines of cells under their headings, the first column to the left, the others to the right."""
    cells = [columns, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))))
    print(flush=True)
