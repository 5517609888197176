"""Sphinx configuration. Build with ``python -m sphinx -W docs docs/_build``."""

from sphinx.pycode import ModuleAnalyzer

import skce

project = "skce"
author = "skce developers"
copyright = f"2026, {author}"
version = release = skce.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
nitpicky = False  # numpydoc types such as "array-like of shape (n,)" are prose, not references

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters section says them, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # _templates/autosummary/class.rst lists them

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"skce {release}"
html_theme_options = {"navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"*": []}  # the pages have no subpages; those of the API, in generated/, keep their list
html_show_sourcelink = False


def own_docstring(app, what, name, obj, options, lines):
    """Put what stands below a scorer in its module in the place of the docstring of its class."""
    if what == "data":
        lines[:] = ModuleAnalyzer.for_module("skce.scorers").find_attr_docs()["", name.rpartition(".")[2]]


def setup(app):
    app.connect("autodoc-process-docstring", own_docstring)
