"""Sphinx configuration; `docs/site/build.py` builds the site. FASTBN_GALLERY=quick lets its gallery compute little."""

import sys
from pathlib import Path

from fastbn import __version__

sys.path.append(str(Path(__file__).parent / "site"))

project = "fastbn"
author = "the fastbn developers"
copyright = f"2026, {author}"
release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
exclude_patterns = ["_build", "gallery", "site"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # in docstrings: a link where there is such a name, else code
autosummary_generate = True
autodoc_typehints = "none"  # docstrings say what is accepted, more briefly than NumPy's unions
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "order.ByList",
    "doc_module": ("fastbn",),
    "reference_url": {"fastbn": None},
    "backreferences_dir": None,
    "show_memory": False,
    "write_computation_times": False,  # their page loads its scripts from elsewhere
    "matplotlib_animations": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = f"fastbn {release}"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_favicon = "figures/icon.svg"
html_theme_options = {
    "logo": {"text": "fastbn", "image_light": "figures/icon.svg", "image_dark": "figures/icon.svg"},
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_sidebars = {"auto_gallery/*": [], "changelog": [], "reference": [], "index": []}
html_copy_source = False
