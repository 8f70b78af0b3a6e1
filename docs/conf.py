"""Sphinx configuration; `nox -s docs` builds the site. FASTBN_GALLERY=quick runs the gallery on little."""

import sys
from pathlib import Path

from fastbn import __version__

sys.path.append(str(Path(__file__).parent))

project = "fastbn"
author = "the fastbn developers"
copyright = f"2026, {author}"
release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "site_math",
]
exclude_patterns = ["_build", "gallery"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say what is accepted, more briefly than NumPy's unions
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "site_order.ByList",
    "doc_module": ("fastbn",),
    "reference_url": {"fastbn": None},
    "backreferences_dir": None,
    "show_memory": False,
    "matplotlib_animations": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = f"fastbn {release}"
