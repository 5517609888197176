"""The documentation cannot lie: its examples run, and its lists of modules and of public names are complete."""

import doctest
import re
from pathlib import Path

import pytest

import skce

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]


def run_examples(text, name):
    """Run the examples of one page, in one namespace, and return what doctest reports of its failures."""
    without_fences = re.sub("^```.*$", "", text, flags=re.MULTILINE)  # else a closing fence reads as output
    test = doctest.DocTestParser().get_doctest(without_fences, {}, name, name, 0)
    report = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name) for page in PAGES if ">>> " in page.read_text(encoding="utf-8")],
)
def test_examples_of_a_page_run(page):
    """Every example gives the output that the page shows."""
    report = run_examples(page.read_text(encoding="utf-8"), page.name)
    assert not report, report


@pytest.mark.parametrize(
    "name", ["README.md", "decomposition.rst", "index.rst", "mathematics.rst", "worked_numbers.rst"]
)
def test_page_has_examples(name):
    """The pages that promise examples have some, so the test above is not empty."""
    assert [page for page in PAGES if page.name == name and ">>> " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    ("text", "ok"), [("```pycon\n>>> 1 + 1\n2\n```\n", True), (">>> 1 + 1\n3\n", False), (">>> 1 / 0\n", False)]
)
def test_wrong_output_and_errors_are_reported(text, ok):
    """The runner sees a fenced example, a wrong output, and an exception."""
    assert (run_examples(text, "page") == "") is ok


def test_readme_has_no_unchecked_python():
    """Each Python block of the README is a session with its output."""
    blocks = re.findall(
        "^```(?:python|pycon|py)\n(.*?)^```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert blocks
    assert all(block.startswith(">>> ") for block in blocks)


def test_every_module_is_described():
    """docs/contributing.rst has a line for each file of the library, and for no other."""
    described = re.findall(
        r"^``(\w+\.py)``", (ROOT / "docs" / "contributing.rst").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(described) == sorted(path.name for path in (ROOT / "skce").glob("*.py"))


def test_every_public_name_is_in_the_api():
    """docs/api.rst lists what skce exports, and nothing else."""
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^   ([A-Za-z]\w*)$|^\.\. autodata:: (\w+)$", text, re.MULTILINE)
    assert sorted("".join(pair) for pair in listed) == sorted(skce.__all__)
