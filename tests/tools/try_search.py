"""Try the search of the documentation that `mkdocs build` left in `site`, as a reader would.

Every page of the site has its texts in the index, and no source code. Words that stand on one page
alone lead there: by the index, and where there is a Chromium by the search box of a page that is
opened from the disk.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from analyses.kit import CHROMIUM, Browser, open_browser  # noqa: E402

SITE = ROOT / "site"
PLACES = {
    "lexicographic": "api/scores.html",
    "default_budget": "api/ranking.html",
    "augmentation": "scores-and-accuracy.html",
    "MobileNet": "papers-and-training.html",
}
WAIT = """new Promise((done, fail) => {{
    let left = 1500
    const look = () => {{
        const found = {}
        if (found) done(found); else if (left--) setTimeout(look, 20); else fail("nothing came")
    }}
    look()
}})"""
BOX = "document.querySelector('[data-md-component=search-query]')"
# What is found of a word, told from what was found before by what the links shall highlight.
FOUND = """[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)
    .filter(link => link.toLowerCase().includes('h={}'.toLowerCase()))"""


def main() -> None:
    """Raise an AssertionError where the search is not as it should be."""
    entries = json.loads((SITE / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    pages = {path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")} - {"404.html"}
    assert {entry["location"].partition("#")[0] for entry in entries} == pages
    assert not any("mkdocstrings-source" in entry["text"] for entry in entries), "no source code"
    on_disk = (SITE / "search/search_index.js").read_text(encoding="utf-8")
    assert json.loads(on_disk.removeprefix("var __index = ").rstrip("; \n"))["docs"] == entries
    for word, page in PLACES.items():
        found = [e["location"] for e in entries if word in f"{e['title']} {e['text']}"]
        assert any(place.startswith(page) for place in found), (word, found)
    print(f"{len(entries)} entries of {len(pages)} pages")
    if CHROMIUM is None:
        print("there is no Chromium: the search box was not tried")
        return
    with open_browser() as browser:
        browser.ask("Page.navigate", url=(SITE / "index.html").as_uri())
        browser.run(WAIT.format(f"document.readyState == 'complete' && {BOX} != null"))
        for word, page in PLACES.items():
            assert page in search(browser, word), (word, page)
    print(f"the search box finds {', '.join(PLACES)}")


def search(browser: Browser, word: str) -> set[str]:
    """The pages that the search box leads to."""
    browser.run(f"{BOX}.value = ''; {BOX}.focus()")
    browser.ask("Input.insertText", text=word)
    browser.press("End")  # a search begins when a key is let go
    links = browser.run(WAIT.format(f"(links => links.length && links)({FOUND.format(word)})"))
    return {re.split(r"[?#]", link.partition("/site/")[2])[0] for link in links}


if __name__ == "__main__":
    main()
