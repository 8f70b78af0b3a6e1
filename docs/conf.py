"""Sphinx configuration: `sphinx-build -W docs docs/_build/html`."""

from fastbn import __version__

project = "fastbn"
author = "the fastbn developers"
copyright = f"2026, {author}"
release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build"]
autosummary_generate = True
numpydoc_show_class_members = False
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"fastbn {release}"
