"""The layers of the library: which module may import which, read from the source."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "skce"

# A module imports from its own layer or an earlier one. A new module gets its place here.
LAYERS = [
    {"_targets", "_tables", "_rows", "_kernels", "_prices", "_validation", "solvers"},
    {"information", "losses"},
    {"_curvature", "_objective", "_row_space", "_sample", "_scaling"},
    {"_link", "_monitor", "_case", "_recalibration"},
    {"_lazy", "_scores", "decomposition", "report", "comparison"},
    {"metrics"},
    {"scorers", "accumulate"},
    {"_training"},
    {"classifier"},
    {"path"},
    {"display", "onnx"},
]
LAYER = {module: number for number, layer in enumerate(LAYERS) for module in layer}
OPTIONAL = {"dask", "distributed", "matplotlib", "onnx", "polars", "skl2onnx", "torch"}


def module_of(path):
    """The first name below skce, for a module and for a package that it grew into: losses.py, losses/focal.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted({module_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"})
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}


def imported_names(tree, package="skce"):
    """Every imported name in full, such as skce.losses.Loss, and how deep in functions the import stands."""

    def visit(node, depth):
        if isinstance(node, ast.Import):
            yield from ((alias.name, depth) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: 1 - node.level or None] if node.level else []
            origin = ".".join([*parent, *([node.module] if node.module else [])])
            yield from ((f"{origin}.{alias.name}", depth) for alias in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, depth + inside)

    return list(visit(tree, 0))


def imports_of(path):
    """The imports of one file of the library."""
    package = ".".join(["skce", *path.relative_to(PACKAGE).parts[:-1]])
    return imported_names(ast.parse(path.read_text(encoding="utf-8")), package)


def siblings(imports):
    """The modules of skce among the imports."""
    return {name.split(".")[1] for name, _ in imports if name.startswith("skce.")}


def later_modules(module, imports):
    """The modules of later layers among the imports of `module`; skce's own names come last of all."""
    return sorted(name for name in siblings(imports) if LAYER.get(name, len(LAYERS)) > LAYER[module])


def private_sklearn(imports):
    """The scikit-learn names with a leading underscore among the imports."""
    return [name for name, _ in imports if name.startswith("sklearn.") and "._" in name]


def eager_optional(imports):
    """The optional packages among the imports outside functions."""
    return [name for name, depth in imports if depth == 0 and name.split(".")[0] in OPTIONAL]


def test_every_module_has_a_layer():
    """A new module is placed on purpose."""
    assert sorted(LAYER) == MODULES


@pytest.mark.parametrize("source", [name for name, path in SOURCES.items() if module_of(path) != "__init__"])
def test_no_import_from_a_later_layer(source):
    """Each module stands on those before it."""
    assert later_modules(module_of(SOURCES[source]), imports_of(SOURCES[source])) == []


def test_layers_have_no_cycles():
    """Within a layer too, no two modules need each other, directly or through others."""
    needs = {
        module: set().union(*(siblings(imports_of(path)) for path in SOURCES.values() if module_of(path) == module))
        - {module}
        for module in MODULES
    }
    while free := [module for module, needed in needs.items() if not needed]:
        needs = {module: needed - set(free) for module, needed in needs.items() if module not in free}
    assert needs == {}


def test_solvers_know_no_model():
    """A solver knows vectors and the objective's questions: it imports nothing from the rest of skce."""
    files = list((PACKAGE / "solvers").rglob("*.py"))
    assert len(files) > 1
    assert set().union(*(siblings(imports_of(path)) for path in files)) == {"solvers"}


@pytest.mark.parametrize("source", [name for name, path in SOURCES.items() if module_of(path) != "_validation"])
def test_private_sklearn_stays_in_validation(source):
    """scikit-learn's private names may change with any release: one module imports them."""
    assert private_sklearn(imports_of(SOURCES[source])) == []


@pytest.mark.parametrize("source", SOURCES)
def test_optional_packages_are_imported_in_functions(source):
    """`import skce` works, and stays fast, without the optional packages."""
    assert eager_optional(imports_of(SOURCES[source])) == []


@pytest.mark.parametrize(
    ("code", "module", "later"),
    [
        ("from skce.metrics import cross_entropy_loss", "losses", ["metrics"]),
        ("from .metrics import cross_entropy_loss", "losses", ["metrics"]),
        ("from . import _rows, metrics", "losses", ["metrics"]),
        ("import skce.metrics", "losses", ["metrics"]),
        ("def f():\n    from skce.metrics import cross_entropy_loss", "losses", ["metrics"]),
        ("from skce import entropy", "losses", ["entropy"]),
        ("from skce._rows import Rows", "losses", []),
    ],
)
def test_an_upward_import_is_seen(code, module, later):
    """In every form that Python has for it."""
    assert later_modules(module, imported_names(ast.parse(code))) == later


@pytest.mark.parametrize(
    ("code", "private"),
    [
        ("from sklearn.utils._param_validation import Interval", True),
        ("from sklearn.base import _fit_context", True),
        ("import sklearn._loss", True),
        ("from sklearn.utils.validation import check_array", False),
    ],
)
def test_a_private_import_is_seen(code, private):
    """A private module and a private name of a public one."""
    assert bool(private_sklearn(imported_names(ast.parse(code)))) is private


@pytest.mark.parametrize(
    ("code", "eager"),
    [
        ("import matplotlib.pyplot as plt", True),
        ("try:\n    import dask\nexcept ImportError:\n    dask = None", True),
        ("class Display:\n    from matplotlib import pyplot", True),
        ("def plot():\n    import matplotlib.pyplot as plt", False),
    ],
)
def test_an_eager_optional_import_is_seen(code, eager):
    """At the top, in a try and in a class body, but not in a function."""
    assert bool(eager_optional(imported_names(ast.parse(code)))) is eager
