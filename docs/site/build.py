#!/usr/bin/env python
"""Build the site: the pages of Sphinx, where a warning is an error, and beside them, in `asv/`, those of asv.

pip install ".[docs]"; git, npm. FASTBN_GALLERY=quick runs the gallery on little.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
#: What the pages of asv load from elsewhere -> its file in an npm package, so that a site needs nothing but itself.
LOADED = {
    "https://code.jquery.com/jquery-3.3.1.min.js": "jquery/dist/jquery.min.js",
    "https://cdnjs.cloudflare.com/ajax/libs/flot/0.8.3/jquery.flot.min.js": "flot/jquery.flot.js",
    "https://cdnjs.cloudflare.com/ajax/libs/flot/0.8.3/jquery.flot.time.min.js": "flot/jquery.flot.time.js",
    "https://cdnjs.cloudflare.com/ajax/libs/flot/0.8.3/jquery.flot.selection.min.js": "flot/jquery.flot.selection.js",
    "https://cdnjs.cloudflare.com/ajax/libs/flot/0.8.3/jquery.flot.categories.min.js": "flot/jquery.flot.categories.js",
    "https://cdn.jsdelivr.net/npm/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": (
        "flot-orderbars/js/jquery.flot.orderBars.js"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/stupidtable/1.0.1/stupidtable.min.js": (
        "stupid-table-plugin/stupidtable.min.js"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/blueimp-md5/2.19.0/js/md5.min.js": "blueimp-md5/js/md5.min.js",
    "https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/js/bootstrap.min.js": "bootstrap/dist/js/bootstrap.min.js",
    "https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/css/bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
}
LOADS = re.compile(r'(?P<how><script |<link [^>]*)(?P<attribute>src|href)="(?P<address>https?://[^"]+)"[^>]*>')


def build_pages(site: Path) -> None:
    """Run Sphinx, from nothing: a page that is gone must not stay, nor what its gallery drew."""
    shutil.rmtree(site, ignore_errors=True)
    for made in ("auto_gallery", "generated"):
        shutil.rmtree(DOCS / made, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--fresh-env", "--quiet"]
    subprocess.run([*command, "-d", f"{site}.doctrees", DOCS, site], check=True)


def build_dashboard(folder: Path) -> None:
    """Let asv draw the results that are kept, and put beside its pages what they load."""
    benchmarks = DOCS.parent / "benchmarks"
    subprocess.run([sys.executable, "-m", "asv", "publish", "--html-dir", folder], cwd=benchmarks, check=True)
    fit_into_the_site(folder)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(Path(__file__).with_name("package.json"), scratch)
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=scratch, check=True)
        load_from_beside(folder, Path(scratch, "node_modules"))


def fit_into_the_site(folder: Path) -> None:
    """Let the name of the project lead back, and keep benchmarks that have a graph: pages of others ask for theirs."""
    index = folder / "index.json"
    listed = json.loads(index.read_text(encoding="utf-8"))
    graphs = folder / "graphs" / "summary"
    timed = {name: about for name, about in listed["benchmarks"].items() if (graphs / f"{name}.json").exists()}
    index.write_text(json.dumps(listed | {"benchmarks": timed, "project_url": "../index.html"}), encoding="utf-8")


def load_from_beside(folder: Path, packages: Path) -> None:
    """Copy what the first page loads, and let it load the copies."""
    index = folder / "index.html"

    def beside(found: re.Match[str]) -> str:
        source = packages / LOADED[found["address"]]
        target = folder / "loaded" / source.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
        return f'{found["how"]}{found["attribute"]}="loaded/{target.name}">'

    index.write_text(LOADS.sub(beside, index.read_text(encoding="utf-8")), encoding="utf-8")
    fonts = folder / "fonts"  # where the style sheet looks for them
    shutil.copytree(packages / "bootstrap/dist/fonts", fonts)


def main(arguments: list[str] | None = None) -> None:
    """Build all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", nargs="?", type=Path, default=DOCS / "_build" / "html", help="folder of the pages")
    site = parser.parse_args(arguments).site.resolve()
    build_pages(site)
    build_dashboard(site / "asv")


if __name__ == "__main__":
    main()
