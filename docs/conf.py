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
# What would let docstring and signature drift apart, or sections be misread.
numpydoc_validation_checks = {
    "GL03", "GL06", "GL07", "GL09", "GL10", "PR01", "PR02", "PR03", "PR05",
    "PR06", "PR07", "PR09", "PR10", "RT02", "RT05", "SS04", "SS06",
}  # fmt: skip
# Not called by users: they have attributes, not parameters.
numpydoc_validation_exclude = {r"\.BackendInfo", r"\.BackendUnavailable", r"\.ChannelStats$"}
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"fastbn {release}"
