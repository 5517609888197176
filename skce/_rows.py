"""Rows of data as blocks: `sum` adds what a function returns for each block, `map` keeps its rows.

The only room that knows about blocks and threads. Sums are taken in a fixed order, over a number of shards that
depends on the data alone, so the result has the same bits for any number of threads.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import threadpoolctl

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
    index : ndarray of int, default=None
        Rows to take, in this order; they are gathered block by block. None for all.
    """

    def __init__(
        self,
        *arrays: Any,
        block_rows: int,
        n_shards: int = SHARDS,
        n_threads: int = 1,
        index: np.ndarray | None = None,
    ):
        self.arrays = arrays
        self.index = index
        self.n_rows = next(a.shape[0] for a in arrays if a is not None) if index is None else len(index)
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

    def take(self, start: int, stop: int, order: np.ndarray | None) -> tuple:
        """Rows `start` to `stop` of an order of all rows, None for that of the arrays, as a block."""
        if order is None:
            return self._block(start, stop)
        rows = order[start:stop]
        return tuple(None if a is None else a[rows] for a in self.arrays)

    def __iter__(self) -> Iterator[tuple]:
        """Blocks in order."""
        return (self._block(start, stop) for shard in self._shards for start, stop in shard)

    def part(self, index: np.ndarray | None, block_rows: int) -> "Rows":
        """Some of the rows, or all, in blocks of another size."""
        return Rows(*self.arrays, block_rows=block_rows, n_threads=self.n_threads, index=index)

    def _shard_sum(self, function: Callable[..., tuple], shard: list) -> list:
        with np.errstate(all="ignore"):  # per thread; the kernels look at inf and nan themselves
            return _add(function(*self._block(start, stop)) for start, stop in shard)

    def _block(self, start: int, stop: int) -> tuple:
        if self.index is not None:
            rows = self.index[start:stop]
            return tuple(None if a is None else a[rows] for a in self.arrays)
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
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()  # looks through the loaded libraries: milliseconds, once a process


class _SingleBlasThread:
    """Holds BLAS to one thread while any fit is under way: the first to enter sets the limit, the last lifts it.

    The limit is one of the whole process, so fits in several threads must share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limit: Any = None
        self.threads = 1
        """Threads that BLAS may use outside."""

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self.threads = _blas_limit()
                self._limit = _controller().limit(limits=1, user_api="blas")
                _disown_limit()
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()
                _disown_limit()

    def share(self) -> int:
        """Threads for one of the fits under way, or for one that is about to begin."""
        with self._lock:
            return max(1, self.threads // self._inside) if self._inside else _blas_limit()


single_blas_thread = _SingleBlasThread()
"""Context in which BLAS uses one thread: sums have the same bits on any machine, and threads over shards pay."""


def blas_threads() -> int:
    """Threads that a fit may use now: as many as BLAS, fewer beside other fits or inside a joblib worker."""
    return single_blas_thread.share()


def _disown_limit() -> None:
    """Let any thread lift the limit: newer threadpoolctl reserves that to the thread that set it."""
    getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", lambda: None)()


def _blas_limit() -> int:
    return max((lib["num_threads"] for lib in _controller().info() if lib["user_api"] == "blas"), default=1)
