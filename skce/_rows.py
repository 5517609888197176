"""Rows of data as blocks: `sum` adds what a function returns for each block, `map` keeps its rows.

The only room that knows about blocks, threads and dask. Sums are taken in a fixed order, over a number of shards that
depends on the data alone, so the result has the same bits for any number of threads or machines. `Rows` are those of
arrays in memory; `DaskRows` those of dask collections, a partition at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from copy import copy, deepcopy
from functools import cache, cached_property, partial
from queue import SimpleQueue
from threading import Lock, local
from typing import Any
from uuid import uuid4

import numpy as np
import threadpoolctl
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from skce import _validation as validation
from skce._tables import Table

SHARDS = 16
"""Sums are made in at most this many parts, whatever the number of threads."""

FAN_IN = 8
"""Sums of partitions that are added at a time: enough to keep the tree low, few enough to be small in memory."""


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
        with np.errstate(all="ignore"):  # the kernels look at inf and nan themselves
            return _add(self._of_shards(partial(self._shard_sum, function)))

    def map(self, function: Callable[..., np.ndarray], out: np.ndarray) -> np.ndarray:
        """Fill the rows of `out` with what `function(*block)` returns for each block."""

        def fill(shard: list) -> None:
            for start, stop in shard:
                out[start:stop] = function(*self._block(start, stop))

        with np.errstate(all="ignore"):
            for _ in self._of_shards(fill):
                pass
        return out

    def batches(self, size: int, rng: np.random.RandomState | None) -> Iterator[tuple]:
        """All rows in blocks of another size, shuffled unless `rng` is None."""
        order = None if rng is None else rng.permutation(self.n_rows)
        for start in range(0, self.n_rows, size):
            yield self._taken(start, min(start + size, self.n_rows), order)

    def __iter__(self) -> Iterator[tuple]:
        """Blocks in order."""
        return (self._block(start, stop) for shard in self._shards for start, stop in shard)

    def part(self, index: np.ndarray | None, block_rows: int) -> "Rows":
        """Some of the rows, or all, in blocks of another size."""
        return Rows(*self.arrays, block_rows=block_rows, n_threads=self.n_threads, index=index)

    def only(self, *places: int) -> "Rows":
        """The arrays at these places, with as many rows."""
        other = copy(self)
        other.arrays = tuple(self.arrays[place] for place in places)
        return other

    def in_memory(self, index: np.ndarray | None) -> "Rows":
        """Some of the rows, or all, as rows of arrays in memory."""
        return self.part(index, max(1, self.n_rows))

    def _taken(self, start: int, stop: int, order: np.ndarray | None) -> tuple:
        """Rows `start` to `stop` of an order of all rows, None for that of the arrays, as a block."""
        if order is None:
            return self._block(start, stop)
        rows = order[start:stop]
        return tuple(None if a is None else a[rows] for a in self.arrays)

    def _of_shards(self, work: Callable[[list], Any]) -> Iterable:
        """What `work` returns for each shard, in order.

        Threads, if there are several, each take the next shard; a task for each takes 0.4 ms more.
        """
        if self.n_threads == 1:
            return map(work, self._shards)
        jobs: SimpleQueue = SimpleQueue()
        for job in [*enumerate(self._shards), *[None] * self.n_threads]:
            jobs.put(job)
        results: list = [None] * len(self._shards)

        def take() -> None:
            with np.errstate(all="ignore"):  # each thread has its own
                for i, shard in iter(jobs.get, None):
                    results[i] = work(shard)

        with ThreadPoolExecutor(self.n_threads, initializer=_wait_for, initargs=(Lock(),)) as pool:
            for worker in [pool.submit(take) for _ in range(self.n_threads)]:
                worker.result()
        return results

    def _shard_sum(self, function: Callable[..., tuple], shard: list) -> list:
        return _add(function(*self._block(start, stop)) for start, stop in shard)

    def _block(self, start: int, stop: int) -> tuple:
        if self.index is not None:
            rows = self.index[start:stop]
            return tuple(None if a is None else a[rows] for a in self.arrays)
        if start == 0 and stop == self.n_rows and not any(isinstance(a, Table) for a in self.arrays):
            return self.arrays
        return tuple(None if a is None else _part(a, start, stop) for a in self.arrays)


class DaskRows:
    """Rows of dask collections that share their first axis, taken partition by partition; answers what `Rows` does.

    Each partition is cut into `Rows` where it lives, and what a function returns for it is added in a tree of fixed
    shape. Nothing but sums and chosen rows comes back. Arrays with known chunks are aligned with the first.

    Parameters
    ----------
    *arrays : dask array, DataFrame or Series, array in memory, or None
        At least one is a dask collection.
    names : sequence of str
        What errors call the arrays.
    cut : callable
        Makes `Rows` of a partition's arrays.
    """

    def __init__(self, *arrays: Any, names: Sequence[str], cut: Callable[..., Rows] | None = None):
        self.names = names
        self.cut = _one_block if cut is None else cut
        self.arrays, self._known = _aligned(arrays, names)
        self._parts = [None if a is None else _delayed_parts(a, self._known) for a in self.arrays]
        self.n_partitions = max(len(part) for part in self._parts if part is not None)

    @cached_property
    def lengths(self) -> list[int]:
        """Rows of each partition; unknown ones are counted, in a pass over the narrowest array."""
        if self._known is not None:
            return self._known
        from dask.base import compute
        from dask.delayed import delayed

        parts = [part for part in self._parts if part is not None]
        narrowest = min(parts[::-1], key=lambda part: part is self._parts[0])
        counted = delayed(validation.rows_in)
        return list(compute(*(counted(part) for part in narrowest)))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.lengths)

    def sum(self, function: Callable[..., tuple]) -> list:
        """Sum over the blocks of the tuples of numbers and arrays that `function(*block)` returns, in float64."""
        total = self.fold(partial(_partition_sum, self.cut), _add_sums, function).compute()
        validation.check_some_part(total)
        return total

    def map(self, function: Callable[..., np.ndarray], out: np.ndarray) -> Any:
        """A lazy dask array of what `function(*block)` returns for each block, of the dtype and columns of `out`."""
        return self.each(partial(_partition_map, self.cut, out), out, function)

    def fold(self, function: Callable[..., Any], merge: Callable[[list], Any], shared: Any = None) -> Any:
        """What `merge` makes, a few at a time and in order, of `function(shared, *arrays)` of the partitions, lazily.

        `function` returns None, which is left out, of a partition without rows. `shared` travels once, not with each
        partition; it may be delayed.
        """
        from dask.delayed import delayed

        results = self._results(function, shared)
        merged = delayed(partial(_merge, merge), pure=False)
        while len(results) > 1:
            results = [merged(*results[i : i + FAN_IN]) for i in range(0, len(results), FAN_IN)]
        return results[0]

    def each(self, function: Callable[..., np.ndarray], out: np.ndarray, shared: Any = None) -> Any:
        """A lazy dask array of `function(shared, *arrays)` of each partition, of the dtype and columns of `out`."""
        import dask.array as da
        from dask.highlevelgraph import HighLevelGraph

        lengths = [np.nan] * self.n_partitions if self._known is None else self._known
        results = self._results(function, shared)
        name = f"skce-{uuid4().hex}"
        last = (0,) * (out.ndim - 1)
        tasks: Any = {(name, number, *last): result.key for number, result in enumerate(results)}
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=results)
        return da.Array(graph, name, (tuple(lengths), *((n,) for n in out.shape[1:])), meta=out[:0])

    def __iter__(self) -> Iterator[tuple]:
        """Blocks in order, one partition in memory at a time."""
        for part in self._one_by_one(range(self.n_partitions)):
            yield from part

    def batches(self, size: int, rng: np.random.RandomState | None) -> Iterator[tuple]:
        """All rows in blocks of another size, one partition in memory at a time.

        Unless `rng` is None the partitions come in a random order, and the rows of each in another.
        """
        order = range(self.n_partitions) if rng is None else rng.permutation(self.n_partitions)
        for part in self._one_by_one(order):
            yield from part.batches(size, rng)

    def part(self, index: np.ndarray | None, block_rows: int) -> Rows:
        """Some of the rows, or all, in memory, in blocks of another size."""
        return self.in_memory(index).part(None, block_rows)

    def in_memory(self, index: np.ndarray | None) -> Rows:
        """Some of the rows, or all, as rows of arrays in memory; `index` is sorted."""
        from dask.base import compute
        from dask.delayed import delayed

        index = np.arange(self.n_rows) if index is None else index
        stops = np.cumsum(self.lengths)
        places = np.split(index, np.searchsorted(index, stops[:-1]))
        take = delayed(_take, pure=False)
        chosen = [
            take(number, self.names, place - (stops[number] - self.lengths[number]), *arrays)
            for number, (place, arrays) in enumerate(zip(places, self._columns(), strict=True))
            if len(place)
        ]
        return _one_block(*(_stack(arrays) for arrays in zip(*compute(*chosen), strict=True)))

    def counted(self, lengths: list[int]) -> "DaskRows":
        """The same with the number of rows of each partition, which someone has counted."""
        other = copy(self)
        other._known = lengths
        return other

    def column(self, place: int) -> Any:
        """One of the dask arrays as it is, with the lengths of its chunks; one in memory becomes lazy."""
        array = self.arrays[place]
        if not (hasattr(array, "chunks") and self._known):
            return self.only(place).each(_as_it_is, np.asarray(array)[:0])
        array = array.copy()
        array._chunks = (tuple(self._known), *array.chunks[1:])
        return array

    def only(self, *places: int) -> "DaskRows":
        """The arrays at these places, with as many rows; a partition is a block."""
        other = copy(self)
        other.names = [self.names[place] for place in places]
        other.arrays = [self.arrays[place] for place in places]
        other._parts = [self._parts[place] for place in places]
        other.cut = _one_block
        return other

    def _one_by_one(self, order: Iterable[int]) -> Iterator[Rows]:
        """Partitions that have rows, in memory."""
        from dask.base import compute

        for number in order:
            arrays = compute(*(None if part is None else part[number] for part in self._parts))
            if validation.check_partition(self.names, arrays):
                yield self.cut(*arrays)

    def _results(self, function: Callable[..., Any], shared: Any) -> list:
        """`function(shared, *arrays)` of each partition, delayed."""
        from dask.delayed import delayed

        shared = delayed(shared, pure=False, traverse=False)
        task = delayed(partial(_apply, function, tuple(self.names)), pure=False)
        return [task(number, shared, *arrays) for number, arrays in enumerate(self._columns())]

    def _columns(self) -> list[tuple]:
        """The delayed arrays of each partition."""
        absent = [None] * self.n_partitions
        return list(zip(*(absent if part is None else part for part in self._parts), strict=True))


def by_rows(function: Callable[[Any], np.ndarray], array: Any) -> Any:
    """`function(array)`, which looks at one row at a time; of a dask array a lazy one, partition by partition."""
    if not validation.is_dask(array):
        return function(array)
    like = function(np.zeros((1, *array.shape[1:]), array.dtype))[:0]
    return DaskRows(array, names=["X"]).map(function, like)


def choose(n: int, size: int, random_state: Any) -> np.ndarray:
    """`size` of n rows, sorted. No permutation of all rows is made: that of 1e9 would take 8 GB."""
    return np.sort(sample_without_replacement(n, min(size, n), random_state=check_random_state(random_state)))


def lazily(function: Callable[..., Any], *arguments: Any, out: np.ndarray | None = None) -> Any:
    """The call, delayed; as a lazy dask array of the shape and dtype of `out` if that is given."""
    from dask.delayed import delayed

    call = delayed(function, pure=False)(*(delayed(argument, pure=False, traverse=False) for argument in arguments))
    if out is None:
        return call
    import dask.array as da

    return da.from_delayed(call, out.shape, meta=out[:0] if out.ndim else out)


def is_sparse(array: Any) -> bool:
    """Whether it is a sparse matrix, or a dask array of them."""
    return bool(sparse.issparse(array._meta if validation.is_dask(array) else array))


def _aligned(arrays: Sequence[Any], names: Sequence[str]) -> tuple[list, list[int] | None]:
    """Arrays whose partitions belong together, and the partitions' lengths where they are known."""
    arrays = [_whole_rows(array) if validation.is_dask(array) else array for array in arrays]
    lengths = [_lengths(array) if validation.is_dask(array) else None for array in arrays]
    first = next(i for i, array in enumerate(arrays) if validation.is_dask(array))
    for i, array in enumerate(arrays):
        if array is None or i == first:
            continue
        in_memory = not validation.is_dask(array)
        if lengths[first] is None or not (in_memory or lengths[i]):
            n_partitions = None if in_memory else array.npartitions
            validation.check_pairs(names[i], n_partitions, names[first], arrays[first].npartitions)
            continue
        n_rows = validation.rows_in(array) if in_memory else sum(lengths[i] or [])
        validation.check_as_many_rows(names[i], n_rows, names[first], sum(lengths[first] or []))
        if not in_memory and lengths[i] != lengths[first]:
            arrays[i] = array.rechunk({0: tuple(lengths[first] or [])})
    return arrays, lengths[first]


def _whole_rows(array: Any) -> Any:
    """A collection whose partitions hold whole rows."""
    if getattr(array, "ndim", 1) < 2 or not hasattr(array, "rechunk") or array.numblocks[1] == 1:
        return array
    return array.rechunk({1: -1})


def _lengths(array: Any) -> list[int] | None:
    """Rows of each chunk, None where they are not known."""
    if not hasattr(type(array), "chunks") or np.isnan(array.chunks[0]).any():
        return None
    return [int(n) for n in array.chunks[0]]


def _delayed_parts(array: Any, lengths: list[int] | None) -> list:
    """The partitions of an array, delayed; one in memory is cut."""
    from dask.delayed import delayed

    if validation.is_dask(array):
        return list(np.ravel(array.to_delayed()))
    array = np.asarray(array) if isinstance(array, (list, tuple)) else array
    stops = np.cumsum(lengths or [])
    rows = getattr(array, "iloc", array)
    pieces = (rows[stop - length : stop] for length, stop in zip(lengths or [], stops, strict=True))
    return [delayed(piece, pure=False, traverse=False) for piece in pieces]


def _apply(function: Callable[..., Any], names: tuple[str, ...], number: int, shared: Any, *arrays: Any) -> Any:
    """What a function makes of a partition, on one thread of BLAS; an error says which partition it was.

    Arrays that came as messages may start at any byte. NumPy takes other paths through those, slower and with other
    last digits: they are copied.
    """
    with validation.in_part("Partition", number), single_blas_thread:
        validation.check_partition(names, arrays)
        return function(deepcopy(shared), *map(_to_words, arrays))


def _to_words(array: Any) -> Any:
    return np.require(array, requirements="A") if isinstance(array, np.ndarray) else array


def _as_it_is(_: None, array: Any) -> Any:
    return array


def _partition_sum(cut: Callable[..., Rows], function: Callable[..., tuple], *arrays: Any) -> list | None:
    n_rows = validation.rows_in(next(array for array in arrays if array is not None))
    return cut(*arrays).sum(function) if n_rows else None


def _partition_map(cut: Callable[..., Rows], out: np.ndarray, function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    n_rows = validation.rows_in(next(array for array in arrays if array is not None))
    result = np.empty((n_rows, *out.shape[1:]), out.dtype)
    return cut(*arrays).map(function, result) if n_rows else result


def _merge(merge: Callable[[list], Any], *results: Any) -> Any:
    present = [result for result in results if result is not None]
    return merge(present) if present else None


def _add_sums(parts: list) -> list:
    return _add(parts)


def _take(number: int, names: Sequence[str], index: np.ndarray, *arrays: Any) -> tuple:
    """Rows of a partition."""
    with validation.in_part("Partition", number):
        validation.check_partition(names, arrays)
        return tuple(None if array is None else array[index] for array in arrays)


def _stack(parts: Sequence[Any]) -> Any:
    if parts[0] is None:
        return None
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)


def _one_block(*arrays: Any) -> Rows:
    n_rows = validation.rows_in(next(array for array in arrays if array is not None))
    return Rows(*arrays, block_rows=max(1, n_rows))


def _part(array: Any, start: int, stop: int) -> Any:
    """Rows of an array, as a view; also of a CSR array, whose own slices are copies."""
    if not sparse.issparse(array):
        return array[start:stop]
    low, high = array.indptr[start], array.indptr[stop]
    parts = array.data[low:high], array.indices[low:high], array.indptr[start : stop + 1] - low
    return type(array)(parts, shape=(stop - start, array.shape[1]), copy=False)


def _cut(n_rows: int, block_rows: int, n_shards: int) -> list[list[tuple[int, int]]]:
    """Bounds of the blocks of each shard."""
    if 0 < n_rows <= block_rows:
        return [[(0, n_rows)]]
    blocks = [(start, min(start + block_rows, n_rows)) for start in range(0, n_rows, block_rows)]
    per_shard = max(1, -(-len(blocks) // n_shards))
    return [blocks[i : i + per_shard] for i in range(0, len(blocks), per_shard)]


def _add(parts: Any) -> list:
    """Sum of tuples, entry by entry, in order and in float64."""
    parts = iter(parts)
    total = [np.array(entry, dtype=np.float64) for entry in next(parts)]  # a copy: the function may use its own again
    for part in parts:
        for i, entry in enumerate(part):
            total[i] += entry
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


LONG = 1 << 16
"""Numbers of which a call takes longer than to fight for the interpreter."""

_WORKER = local()


def in_turn(size: int) -> AbstractContextManager:
    """For many calls of NumPy with arrays of some size: where they are short, one worker of a sum at a time makes them.

    Each call lets go of the interpreter, and two threads that do so fight over it: for blocks of 10 columns they took
    twice as long as one. Meanwhile others multiply matrices, for which they let go of it once.
    """
    turn = getattr(_WORKER, "turn", None)
    return nullcontext() if turn is None or size >= LONG else turn


def _wait_for(turn: Any) -> None:
    """Begin a worker that shares turns with others."""
    _WORKER.turn = turn


def blas_threads() -> int:
    """Threads that a fit may use now: as many as BLAS, fewer beside other fits or inside a joblib worker."""
    return single_blas_thread.share()


def _disown_limit() -> None:
    """Let any thread lift the limit: newer threadpoolctl reserves that to the thread that set it."""
    getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", lambda: None)()


def _blas_limit() -> int:
    return max((lib["num_threads"] for lib in _controller().info() if lib["user_api"] == "blas"), default=1)
