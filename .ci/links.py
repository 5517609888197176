"""Check the built pages: every link inside the site leads to a place that exists, and no page needs a network.

Usage: python .ci/links.py docs/_build
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The places of a page that can be linked to, its links, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.path, self.places, self.links, self.loaded = path, {""}, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        source = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if source:
            self.loaded.append(source)
        elif tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])


def is_external(url):
    return bool(urlsplit(url).scheme or urlsplit(url).netloc)


def problems(page, pages):
    """Yield what is wrong with one page."""
    for url in page.loaded:
        if is_external(url) and not url.startswith("data:"):
            yield f"loads {url} from a network"
    for url in (url for url in page.links + page.loaded if not is_external(url)):
        parts = urlsplit(url)
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if not target.exists():
            yield f"{url}: no such file"
        elif target in pages and unquote(parts.fragment) not in pages[target].places:
            yield f"{url}: no such place"


def main(folder):
    pages = {path: Page(path) for path in sorted(Path(folder).resolve().rglob("*.html")) if "_static" not in path.parts}
    found = [f"{path}: {problem}" for path, page in pages.items() for problem in problems(page, pages)]
    print(*found, f"{len(pages)} pages, {len(found)} broken links", sep="\n")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
