"""The site that `docs/site/build.py` has built, if `FASTBN_SITE` names its folder: links lead somewhere, pages load.

Pages are opened in a real browser, at two widths, from a server on this machine.
"""

import functools
import json
import os
import shutil
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif("FASTBN_SITE" not in os.environ, reason="FASTBN_SITE names no site"),
]
SITE = Path(os.environ.get("FASTBN_SITE", "no site"))
#: All but what the theme makes its own pages from.
PAGES = [
    page for path in SITE.rglob("*.html") if not (page := path.relative_to(SITE).as_posix()).startswith("_static/")
]
#: Of the pages of asv: what they show instead of the first when that cannot load, and has no way back.
WITHOUT_LAYOUT = {"asv/error.html"}
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
#: Whether nothing sticks out of a page, or out of its article, which the theme lets scroll sideways.
FITS = """[document.documentElement, ...document.querySelectorAll(".bd-article-container")].every(
    element => element.scrollWidth <= element.clientWidth
)"""


class References(HTMLParser):
    """Where a page leads, what it loads, and which places in it can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [found[name] for name in ("href", "src") if found.get(name)]
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}


@functools.cache
def references(page):
    return References((SITE / page).read_text(encoding="utf-8"))


def leads_somewhere(page, link):
    """Whether a link is to a file of the site, and to a place that is there; links to elsewhere are not followed."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    path = Path(os.path.normpath(Path(page).parent / unquote(parts.path))) if parts.path else Path(page)
    target = path / "index.html" if (SITE / path).is_dir() else path
    if not (SITE / target).is_file():
        return False
    if not parts.fragment or target.suffix != ".html" or page.startswith("asv/"):  # asv's fragments are states
        return True
    return unquote(parts.fragment) in references(target.as_posix()).places


def test_the_site_has_its_parts():
    for page in ("index", "guide", "howto", "auto_gallery/index", "reference", "design", "benchmarks", "changelog"):
        assert f"{page}.html" in PAGES
    assert "asv/index.html" in {os.path.normpath(link) for link in references("benchmarks.html").links}
    listed = json.loads((SITE / "asv" / "index.json").read_text(encoding="utf-8"))
    assert listed["project_url"] == "../index.html"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_internal_links_lead_somewhere(page):
    assert [link for link in references(page).links if not leads_somewhere(page, link)] == []


@pytest.fixture(scope="module")
def address():
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", sorted(PAGES))
def test_pages_load_without_an_error_and_fit(page, width, browser, address):
    across, down = WIDTHS[width]
    opened = browser.new_page(viewport={"width": across, "height": down})
    said = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url) if not request.url.startswith(address) else None)
    opened.on("requestfailed", lambda request: said.append(f"{request.url}: {request.failure}"))
    opened.on(
        "response", lambda answer: said.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    opened.goto(f"{address}/{page}", wait_until="networkidle")
    fits = opened.evaluate(FITS)
    if shots := os.environ.get("FASTBN_SCREENSHOTS"):
        opened.screenshot(path=Path(shots, f"{page.replace('/', '-')}-{width}.png"), full_page=False)
    opened.close()
    assert not said, "\n".join(said)
    assert fits or page in WITHOUT_LAYOUT
