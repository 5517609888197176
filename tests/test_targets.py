"""Labels of every kind to codes and classes, as np.unique would have it, only faster."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from helpers import generated
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skce._targets import TABLE_LIMIT, UNKNOWN, as_labels, encode, find_classes

pl = pytest.importorskip("polars", reason="polars is one of the containers that labels come in")

FEW = [3, 1, 3, 7, 1, 1]
LABELS = {
    "ints": np.array(FEW),
    "one label": np.array([5]),
    "gaps": np.array([10, -3, 10, 4000, -3, 10]),
    "wide gaps": np.array([0, 10**15, -(10**12), 0, 10**15]),
    "wide gaps, others' byte order": np.array([0, 10**15, -(10**12), 0, 10**15], dtype=">i8"),
    "extremes": np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0, np.iinfo(np.int64).max]),
    "least ints": np.iinfo(np.int64).min + np.array([0, 3, 1, 3]),
    "greatest ints": np.iinfo(np.int64).max - np.array([0, 3, 1, 3]),
    "int8": np.array([-128, 127, 0, 127], dtype=np.int8),
    "uint8": np.array([255, 0, 3, 255], dtype=np.uint8),
    "int16, others' byte order": np.array(FEW, dtype=">i2"),
    "uint64": np.array(FEW, dtype=np.uint64),
    "large uint64": np.array([2**63 + 5, 2**63 + 1, 2**63 + 5], dtype=np.uint64),
    "large uint64, others' byte order": np.array([2**63 + 5, 2**63 + 1, 2**63 + 5], dtype=">u8"),
    "wide uint64": np.array([2**64 - 1, 0, 2**63, 2**64 - 1], dtype=np.uint64),
    "bools": np.array([True, False, True]),
    "all true": np.array([True, True]),
    "floats": np.array([1.5, -2.0, 1.5, 1e300]),
    "floats, others' byte order": np.array([1.5, -2.0, 1.5, 1e300], dtype=">f8"),
    "float16": np.array([0.5, -2.0, 0.5], dtype=np.float16),
    "long floats": np.array([0.5, -2.0, 0.5], dtype=np.longdouble),
    "float32": np.array([0.1, 0.3, 0.1], dtype=np.float32),
    "strings": np.array(["b", "a", "b", "ccc"]),
    "strings, not ASCII": np.array(["ä", "犬", "z", "猫", "犬", ""]),
    "bytes": np.array([b"b", b"a", b"b", b"ccc"]),
    "object strings": np.array(["b", "a", "b", "ccc"], dtype=object),
    "object ints": np.array(FEW, dtype=object),
    "object bools": np.array([True, False, True], dtype=object),
    "object floats": np.array([2.5, 1.0, 2.5], dtype=object),
    "ints and floats": np.array([2, 1.5, 2, 1], dtype=object),
    "huge object ints": np.array([2**64 + 1, 3, 2**64 + 1], dtype=object),
    "object uint64": np.array([2**63 + 1, 2**63 + 5, 2**63 + 1], dtype=object),
    "dates": np.array([date(2020, 1, 2), date(2020, 1, 1), date(2020, 1, 2)], dtype=object),
    "datetimes": np.array(["2020-01-02", "2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
    "datetimes, others' byte order": np.array(["2020-01-02", "2020-01-01", "2020-01-02"], dtype=">M8[s]"),
    "durations": np.array([5, 3, 5], dtype="timedelta64[h]"),
}
every_kind = pytest.mark.parametrize("kind", LABELS)


@every_kind
def test_classes_are_those_of_np_unique(kind):
    """Sorted classes of the labels' own type, and codes that give the labels back."""
    y = as_labels(LABELS[kind])
    classes, codes = find_classes(y)
    expected, expected_codes = np.unique(y, return_inverse=True)
    assert_array_equal(classes, expected)
    assert classes.dtype == y.dtype
    assert_array_equal(codes, expected_codes)
    assert codes.dtype == np.intp
    assert_array_equal(classes[codes], y)


@every_kind
def test_codes_are_places_in_the_classes(kind):
    """In whatever order the classes stand, with more classes than labels, and UNKNOWN for a label that is not there."""
    y = as_labels(LABELS[kind])
    classes = np.unique(y)
    rng = np.random.default_rng(0)
    for order in (np.arange(len(classes)), np.arange(len(classes))[::-1], rng.permutation(len(classes))):
        codes = encode(y, classes[order])
        assert codes.dtype == np.intp
        assert_array_equal(classes[order][codes], y)
    if len(classes) > 1:
        codes = encode(y, classes[1:])
        assert_array_equal(codes == UNKNOWN, y == classes[0])
        assert_array_equal(classes[1:][codes[codes != UNKNOWN]], y[codes != UNKNOWN])


@pytest.mark.parametrize(
    ("y", "classes", "expected"),
    [
        ([5, 1, 9], [1, 5], [1, 0, UNKNOWN]),
        ([-1, 2], [0, 1, 2], [UNKNOWN, 2]),
        (np.array([200, 1], np.uint8), [-5, 1, 300], [UNKNOWN, 1]),
        (np.array([1, 2], np.uint64), [-1, 1, 2], [1, 2]),
        (np.array([2**63, 2], np.uint64), [-1, 0, 1, 2], [UNKNOWN, 3]),
        (np.array([-1, 2]), np.array([2**63, 2], np.uint64), [UNKNOWN, 1]),
        (np.array([2**60 + 1, 2**60], np.uint64), [0, 2**60, 2**60 + 1], [2, 1]),
        ([True, False], [0, 1], [1, 0]),
        ([0, 1, 2], [False, True], [0, 1, UNKNOWN]),
        ([1.0, 2.5], [2, 1], [1, UNKNOWN]),
        ([1, 2], [2.5, 2.0, 1.0], [2, 1]),
        ([np.nan, 1.0], [1.0, 2.0], [UNKNOWN, 0]),
        (["a", "zz"], ["zzz", "a"], [1, UNKNOWN]),
        (["a", "b"], [1, 2], [UNKNOWN, UNKNOWN]),
        ([1, 2], ["1", "2"], [UNKNOWN, UNKNOWN]),
        ([b"a"], ["a"], [UNKNOWN]),
        (np.array(["b", "a"], dtype=object), ["a", "b"], [1, 0]),
        (["b", "a"], np.array(["a", "b"], dtype=object), [1, 0]),
        (np.array([None, "a"], dtype=object), ["a", "b"], [UNKNOWN, 0]),
        (np.array([1, 2], dtype=object), [2, 1], [1, 0]),
        ([0, TABLE_LIMIT * 2], [TABLE_LIMIT * 2, 0], [1, 0]),
        ([7], [7], [0]),
    ],
)
def test_labels_and_classes_of_other_kinds(y, classes, expected):
    """Equal labels are the same label across types and widths; integers are not compared through rounding."""
    codes = encode(np.asarray(y), np.asarray(classes))
    assert_array_equal(codes, expected)
    assert codes.dtype == np.intp


@pytest.mark.parametrize("dtype", [int, np.uint8, float, bool, "U3", "S3", object])
def test_no_labels(dtype):
    """An empty array has no classes and no codes."""
    nothing = np.array([], dtype=dtype)
    classes, codes = find_classes(nothing)
    assert classes.dtype == nothing.dtype
    assert len(classes) == len(codes) == 0
    assert codes.dtype == np.intp
    assert len(encode(nothing, np.array([1, 0]).astype(dtype))) == 0


whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)  # NumPy drops final NULs
generated_labels = (
    st.lists(whole, min_size=1).map(lambda y: np.array(y, dtype=np.int64))
    | st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), min_size=1).map(lambda y: np.array(y, dtype=np.uint64))
    | st.lists(st.integers(-128, 127), min_size=1).map(lambda y: np.array(y, dtype=np.int8))
    | st.lists(st.booleans(), min_size=1).map(np.array)
    | st.lists(st.floats(allow_nan=False), min_size=1).map(np.array)
    | st.lists(texts, min_size=1).map(lambda y: np.array(y, dtype=str))
    | st.lists(texts, min_size=1).map(lambda y: np.array(y, dtype=object))
)


@generated
@given(generated_labels, st.data())
def test_any_labels(y, data):
    """find_classes is np.unique, and encode its inverse, for classes in any order and some of them missing."""
    classes, codes = find_classes(y)
    expected, expected_codes = np.unique(y, return_inverse=True)
    assert_array_equal(classes, expected)
    assert_array_equal(codes, expected_codes)
    some = data.draw(st.lists(st.sampled_from(range(len(classes))), min_size=1, unique=True))
    codes = encode(y, classes[some])
    assert_array_equal(codes, [some.index(c) if c in some else UNKNOWN for c in expected_codes])


@pytest.mark.parametrize("n", [5, 200_000])
def test_table_and_sort_agree(n):
    """At least one label a value goes through a table, fewer do not: the same classes and codes."""
    rng = np.random.default_rng(0)
    for spread in (TABLE_LIMIT - 1, TABLE_LIMIT, n, n + 1, 10 * TABLE_LIMIT):
        y = rng.integers(spread + 1, size=n) - 17
        y[:2] = -17, spread - 17
        for got, expected in zip(find_classes(y), np.unique(y, return_inverse=True), strict=True):
            assert_array_equal(got, expected)


def test_labels_of_two_kinds_have_no_order():
    """Numbers beside strings are a mistake: as in np.unique, not sorted by kind in silence."""
    with pytest.raises(TypeError):
        find_classes(as_labels(np.array([1, "a", 2, "b"], dtype=object)))


CONTAINERS = {
    "list of ints": (FEW, np.int64),
    "list of bools": ([True, False], np.bool_),
    "list of strings": (["b", "a"], np.str_),
    "tuple": ((1, 2), np.int64),
    "range": (range(3), np.int64),
    "column": (np.array([[1], [2]]), np.int64),
    "column of objects": (np.array([["a"], ["b"]], dtype=object), object),
    "Series": (pd.Series(FEW, index=range(6, 0, -1)), np.int64),
    "Series of strings": (pd.Series(["b", "a"]), object),
    "Series of pandas strings": (pd.Series(["b", "a"], dtype="string"), object),
    "Series of objects": (pd.Series(["b", "a"], dtype=object), object),
    "Series of Int64": (pd.Series(FEW, dtype="Int64"), np.int64),
    "Series of UInt64": (pd.Series([2**63 + 1, 1], dtype="UInt64"), np.uint64),
    "Series of boolean": (pd.Series([True, False], dtype="boolean"), np.bool_),
    "Series of Float64": (pd.Series([1.5, 0.5], dtype="Float64"), np.float64),
    "Series of objects that are bools": (pd.Series([True, False], dtype=object), np.bool_),
    "Categorical": (pd.Categorical(["b", "a"], categories=["z", "b", "a"]), object),
    "Categorical of ints": (pd.Categorical([2, 1]), np.int64),
    "Series of categories": (pd.Series(["b", "a"], dtype="category"), object),
    "Series of int categories": (pd.Series([2, 1], dtype="category"), np.int64),
    "Index": (pd.Index(["b", "a"]), object),
    "DataFrame of one column": (pd.DataFrame({"y": [2, 1]}), np.int64),
    "polars ints": (pl.Series([2, 1]), np.int64),
    "polars strings": (pl.Series(["b", "a"]), object),
    "polars bools": (pl.Series([True, False]), np.bool_),
    "polars categories": (pl.Series(["b", "a"], dtype=pl.Categorical), object),
    "polars enum": (pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])), object),
    "polars DataFrame of one column": (pl.DataFrame({"y": [2, 1]}), np.int64),
    "NumPy strings": (np.array(["b", "a"], dtype=np.dtypes.StringDType()), np.str_),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_labels_from_any_container(container):
    """An array of shape (n,) of a plain dtype, with the labels in their order."""
    given_labels, dtype = CONTAINERS[container]
    y = as_labels(given_labels)
    values = (
        list(np.ravel(given_labels)) if not hasattr(given_labels, "to_numpy") else np.ravel(given_labels.to_numpy())
    )
    assert type(y) is np.ndarray
    assert y.ndim == 1
    assert y.tolist() == list(map(_plain, values))
    assert y.dtype == dtype if dtype is not np.str_ else y.dtype.kind == "U"
    classes, codes = find_classes(y)
    assert classes[codes].tolist() == y.tolist()


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def test_column_labels_and_data_frames_keep_their_shape_if_wider():
    """Only a single column is flattened: a table is for the door to refuse or to take as distributions."""
    assert as_labels([[1, 2], [3, 4]]).shape == (2, 2)
    assert as_labels(5).shape == ()


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", None], dtype=object),
        np.array([1, None], dtype=object),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["a", None], dtype="string"),
        pd.Series([True, None], dtype="boolean"),
        pd.Categorical(["a", None]),
        pl.Series(["a", None]),
    ],
    ids=["None", "None and int", "Int64", "string", "boolean", "Categorical", "polars"],
)
def test_missing_labels_survive_to_the_door(y):
    """as_labels neither raises nor gives a missing label a name, so that the door can find it."""
    assert pd.isna(as_labels(y)).tolist() == [False, True]


def test_arguments_are_left_alone():
    """Labels and classes may be read-only."""
    y, classes = np.array([3, 1, 3]), np.array([3, 1])
    y.flags.writeable = classes.flags.writeable = False
    assert_array_equal(encode(as_labels(y), classes), [0, 1, 0])
    assert_array_equal(find_classes(y)[1], [1, 0, 1])
