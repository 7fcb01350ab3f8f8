"""The picture of the page that the documentation shows: `docs/report_page.png`.

Ranks the default topologies into `./ranking`, as `topokit rank` does, which runs only what is
missing there; or takes the folder of a ranking that is named. Photographs the page's beginning in
Chromium, in 256 colors.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from analyses.kit import open_browser

PICTURE = Path(__file__).parents[1] / "report_page.png"
WIDTH, FOOT = 1400, "#compare"


def main() -> None:
    """Rank if no folder is named, photograph, and make the picture small."""
    folder = Path(*sys.argv[1:2]) if sys.argv[1:] else Path("ranking")
    if not sys.argv[1:]:
        subprocess.run([Path(sys.executable).with_name("topokit"), "rank"], check=True)
    with open_browser() as browser:
        browser.load(folder / "report.html", width=WIDTH)
        end = browser.run(f"document.querySelector('{FOOT}').getBoundingClientRect().top")
        browser.resize(WIDTH, round(end))
        browser.settle()
        browser.photograph(PICTURE)
    with Image.open(PICTURE) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
