"""The pictures of a ranking and of its page that the documentation shows, in `docs/`.

Ranks the default topologies into `./ranking`, as `topokit rank` does, which runs only what is
missing there; or takes the folder of a ranking that is named. Photographs the page's beginning, and
its maps with the pointer on one of them, in Chromium; and takes the ranking's own pictures, the
large one of all maps at half its size.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from analyses.kit import Browser, open_browser

PICTURE = Path(__file__).parents[1] / "report_page.png"
MAPS = PICTURE.with_stem("report_page_maps")
# Pictures of a ranking, what they are called in the documentation, and their part of the size.
DRAWN = (("parameters", "ranking_parameters", 1), ("control", "ranking_maps", 2))
WIDTH = 1440
SHOWN = "hypercube + skip"  # whose maps differ from each other
POINTED = (13, 10)  # input and output


def main() -> None:
    """Rank if no folder is named, and photograph."""
    folder = Path(*sys.argv[1:2]) if sys.argv[1:] else Path("ranking")
    if not sys.argv[1:]:
        subprocess.run([Path(sys.executable).with_name("topokit"), "rank"], check=True)
    with open_browser() as browser:
        browser.load(folder / "report.html", width=WIDTH)
        photograph(browser, PICTURE, "body", "#compare")
        choose(browser, SHOWN)
        photograph(browser, MAPS, "#compare", "#compare h3 ~ h3")
    with Image.open(PICTURE) as picture:  # few colors, in many pixels
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PICTURE, optimize=True)
    for name, kept, part in DRAWN:
        with Image.open(folder / f"{name}.png") as picture:
            small = picture.convert("RGB").reduce(part)
        small.save(PICTURE.with_stem(kept), optimize=True)


def photograph(browser: Browser, path: Path, first: str, after: str) -> None:
    """The page from the top of one element to that of another."""
    top, end = (
        browser.run(f"document.querySelector('{s}').getBoundingClientRect().top + scrollY")
        for s in (first, after)
    )
    browser.resize(WIDTH, round(end - top))
    browser.run(f"scrollTo(0, {top})")
    browser.settle()
    if path == MAPS:
        point(browser)
    browser.photograph(path)


def choose(browser: Browser, name: str) -> None:
    """Show a topology as A."""
    browser.run(
        "(() => { const choice = document.querySelector('[data-choose]');"
        f"choice.value = [...choice.options].findIndex(o => o.text.endsWith('. {name}'));"
        "choice.dispatchEvent(new Event('change')) })()"
    )


def point(browser: Browser) -> None:
    """Move the pointer to an entry of the first map."""
    row, column = POINTED
    x, y = browser.run(
        "(() => { const [view] = Bokeh.index.query(view => view.model.name === 'leverage-0');"
        "const box = view.canvas_view.el.getBoundingClientRect();"
        f"return [box.left + view.frame.x_scale.compute({column}),"
        f" box.top + view.frame.y_scale.compute({row})] }})()"
    )
    browser.point(x, y)


if __name__ == "__main__":
    main()
