"""The documentation cannot lie: its examples run, and its lists of modules and of public names are complete."""

import ast
import doctest
import re
from pathlib import Path

import pytest

import skce

ROOT = Path(__file__).resolve().parents[1]
WRITTEN_BY_SPHINX = {"_build", "gallery", "generated"}
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.rst")) if not WRITTEN_BY_SPHINX & set(path.parts)),
]
EXAMPLES = sorted((ROOT / "examples").rglob("plot_*.py"))


def name_of(page):
    """Return the path of a page from the root of the repository, as ids of tests show it."""
    return page.relative_to(ROOT).as_posix()


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
    [pytest.param(page, id=name_of(page)) for page in PAGES if ">>> " in page.read_text(encoding="utf-8")],
)
def test_examples_of_a_page_run(page):
    """Every example gives the output that the page shows."""
    report = run_examples(page.read_text(encoding="utf-8"), name_of(page))
    assert not report, report


def pages_that_teach():
    """Return the pages that promise examples: the first ones, and all of the guide and of the how-tos."""
    folders = [path for path in PAGES if path.parent.name in ("guide", "howto") and path.name != "index.rst"]
    named = [ROOT / name for name in ("README.md", "docs/index.rst", "docs/mathematics.rst", "docs/worked_numbers.rst")]
    return [*named, *folders]


@pytest.mark.parametrize("page", pages_that_teach(), ids=name_of)
def test_page_has_examples(page):
    """The pages that promise examples have some, and are among those that are run."""
    assert page in PAGES
    assert ">>> " in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["guide", "howto"])
def test_pages_of_a_folder_are_found(folder):
    """Pages of the subfolders are found, so the tests above are not empty."""
    assert len([path for path in PAGES if path.parent.name == folder]) > 8


@pytest.mark.parametrize("page", [page for page in pages_that_teach() if page.parent.name == "howto"], ids=name_of)
def test_how_to_asks_a_question(page):
    """The title of each how-to is its question."""
    assert page.read_text(encoding="utf-8").splitlines()[0].endswith("?")


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example_asks_a_question(example):
    """The title of each example of the gallery is its question, underlined in full."""
    title, underline = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))).splitlines()[:2]
    assert title.endswith("?")
    assert underline == "=" * len(title)


def test_links_of_the_readme_lead_somewhere():
    """Each relative link of the README is a file of the repository."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[0].read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http")]
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


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
