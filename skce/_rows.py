"""Rows of data as blocks: `sum` adds what a function returns for each block, `map` keeps its rows.

The only room that knows about blocks and threads. Sums are taken in a fixed order, over a number of shards that
depends on the data alone, so the result has the same bits for any number of threads.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

SHARDS = 16
"""Sums are made in at most this many parts, whatever the number of threads."""


class Rows:
    """Arrays that share their first axis (None stands for an absent one), cut into blocks of rows.

    Parameters
    ----------
    *arrays : ndarray, sparse array or None
        Arrays with the same number of rows.
    block_rows : int
        Rows of a block.
    n_shards : int
        Number of partial sums; each adds its blocks in order, then the shards are added in order.
    n_threads : int
        Threads that work on shards.
    """

    def __init__(self, *arrays: Any, block_rows: int, n_shards: int = SHARDS, n_threads: int = 1):
        self.arrays = arrays
        self.n_rows = next(a.shape[0] for a in arrays if a is not None)
        self.n_threads = n_threads
        self._shards = _cut(self.n_rows, block_rows, n_shards)

    def sum(self, function: Callable[..., tuple]) -> list:
        """Sum over the blocks of the tuples of numbers and arrays that `function(*block)` returns, in float64."""
        if self.n_threads == 1:
            return _add(self._shard_sum(function, shard) for shard in self._shards)
        with ThreadPoolExecutor(self.n_threads) as pool:
            return _add(pool.map(lambda shard: self._shard_sum(function, shard), self._shards))

    def map(self, function: Callable[..., np.ndarray], out: np.ndarray) -> np.ndarray:
        """Fill the rows of `out` with what `function(*block)` returns for each block."""
        with np.errstate(all="ignore"):
            for shard in self._shards:
                for start, stop in shard:
                    out[start:stop] = function(*self._block(start, stop))
        return out

    def __iter__(self) -> Iterator[tuple]:
        """Blocks in order."""
        return (self._block(start, stop) for shard in self._shards for start, stop in shard)

    def take(self, index: np.ndarray) -> "Rows":
        """The rows of `index` as new Rows of one block."""
        arrays = [None if a is None else a[index] for a in self.arrays]
        return Rows(*arrays, block_rows=len(index))

    def _shard_sum(self, function: Callable[..., tuple], shard: list) -> list:
        with np.errstate(all="ignore"):  # per thread; the kernels look at inf and nan themselves
            return _add(function(*self._block(start, stop)) for start, stop in shard)

    def _block(self, start: int, stop: int) -> tuple:
        if start == 0 and stop == self.n_rows:
            return self.arrays
        return tuple(None if a is None else _part(a, start, stop) for a in self.arrays)


def _part(array: Any, start: int, stop: int) -> Any:
    """Rows of an array, as a view; also of a CSR array, whose own slices are copies."""
    if isinstance(array, np.ndarray):
        return array[start:stop]
    low, high = array.indptr[start], array.indptr[stop]
    parts = array.data[low:high], array.indices[low:high], array.indptr[start : stop + 1] - low
    return type(array)(parts, shape=(stop - start, array.shape[1]), copy=False)


def _cut(n_rows: int, block_rows: int, n_shards: int) -> list[list[tuple[int, int]]]:
    """Bounds of the blocks of each shard."""
    blocks = [(start, min(start + block_rows, n_rows)) for start in range(0, n_rows, block_rows)]
    per_shard = max(1, -(-len(blocks) // n_shards))
    return [blocks[i : i + per_shard] for i in range(0, len(blocks), per_shard)]


def _add(parts: Any) -> list:
    """Sum of tuples, entry by entry, in order and in float64."""
    parts = iter(parts)
    total = [np.array(entry, dtype=np.float64) for entry in next(parts)]  # a copy: the function may use its own again
    for part in parts:
        for i, entry in enumerate(part):
            total[i] = total[i] + entry
    return total


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries: milliseconds, once a process


def blas_threads() -> int:
    """Threads that BLAS may use now: the cores, or this process's share of them inside a joblib worker."""
    return max((lib["num_threads"] for lib in _controller().info() if lib["user_api"] == "blas"), default=1)


def single_blas_thread() -> Any:
    """Context in which BLAS uses one thread: sums have the same bits on any machine, and threads over shards pay."""
    return _controller().limit(limits=1, user_api="blas")
