"""Sphinx configuration. Build with ``python -m sphinx -W docs docs/_build``: that also runs the examples."""

from pathlib import Path
from typing import Any

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
    "sphinx-mathjax-offline",  # MathJax as part of the site: formulas need no network
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
suppress_warnings = ["config.cache"]  # sphinx_gallery_conf holds a function, style_figures
exclude_patterns = ["_build", "gallery/**.ipynb", "gallery/**.py"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!skce).*")]  # numpydoc's types are prose, and other projects are not linked

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters section says them, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # _templates/autosummary/class.rst lists them

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"skce {release}"
html_static_path = ["_static"]
html_css_files = ["skce.css"]
html_logo = html_favicon = "_static/logo.svg"
ALONE = ["mathematics", "coming_from", "benchmarks", "extending", "contributing", "changelog"]  # have no subpages
html_sidebars: dict[str, list[str]] = {page: [] for page in ["index", *ALONE]}
html_theme_options = {
    "header_links_before_dropdown": 5,
    "logo": {"text": "skce", "alt_text": "skce: to the landing page"},
    "navigation_with_keys": False,
    "secondary_sidebar_items": {
        page: ["page-toc"] for page in ["api", "generated/*", "decomposition", "larger", "worked_numbers", *ALONE]
    },
    "show_nav_level": 2,
}
html_show_sourcelink = False

FIGURES = {
    "axes.grid": True,
    "axes.prop_cycle": "cycler(color=['0072B2', 'D55E00', '009E73', 'CC79A7', '56B4E9', 'E69F00'])",  # Okabe and Ito
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.figsize": (6.4, 3.8),
    "font.size": 11,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.dpi": 160,
    "savefig.transparent": True,  # skce.css turns them over for the dark theme
}


def style_figures(gallery_conf: dict[str, Any], fname: str) -> None:
    """Give the figures of the gallery one look: colours that colour-blind people tell apart, no frame."""
    import matplotlib as mpl

    mpl.rcParams.update(FIGURES)


sphinx_gallery_conf = {
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skce",),
    "download_all_examples": False,
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": "quickstart",
    "min_reported_time": 1,
    "plot_gallery": "True",
    "reference_url": {"skce": None},
    "remove_config_comments": True,
    "reset_modules": ("matplotlib", style_figures),
    "show_signature": False,
    "write_computation_times": False,
}


def own_docstring(app, what, name, obj, options, lines):
    """Put what stands below a scorer in its module in the place of the docstring of its class."""
    if what == "data":
        lines[:] = ModuleAnalyzer.for_module("skce.scorers").find_attr_docs()["", name.rpartition(".")[2]]


def setup(app):
    Path(app.confdir, "generated", "backreferences").mkdir(parents=True, exist_ok=True)
    app.connect("autodoc-process-docstring", own_docstring)
