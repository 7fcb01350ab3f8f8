"""Fill the gallery: every picture of `analyses/` with its claim, its verdicts and its command.

All of it is read from the scripts and their numbers when the site is built, so that nothing is said
twice: the title is the first line of a script's docstring, the claim the paragraph that begins with
that word. A picture links to the section of the docs that shows it.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[1]
ANALYSES = DOCS.parent / "analyses"
PAGE = "gallery.md"
# Pages that show pictures without being about them come last.
OVERVIEWS = ("reproducing-the-figures.md", "index.md")
OTHERWISE = "reproducing-the-figures.md#figures"
# The items of a list, begun by a dash or by a letter.
ITEM = re.compile(r"^(?:-|([a-z]\.)) ", re.MULTILINE)
VERDICTS = ("holds", "holds in part", "does not hold", "not measured")


class Picture(NamedTuple):
    """What the gallery says of a picture.

    Attributes:
        name: The stem of its file.
        title: What it shows, the first line of its script.
        claim: What it claims.
        verdicts: How many claims came out how.
        command: What makes it.
        section: The page, with an anchor, that explains it.
    """

    name: str
    title: str
    claim: str
    verdicts: dict[str, int]
    command: str
    section: str


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    if page.file.src_uri != PAGE:
        return markdown
    return "\n\n".join([markdown, *map(entry, pictures())])


def pictures() -> list[Picture]:
    """All pictures, by the name of their script."""
    return [_picture(path.with_suffix(".py")) for path in sorted(ANALYSES.rglob("*.png"))]


def entry(picture: Picture) -> str:
    """The section of a picture in the gallery."""
    told = [f"{verdict} ({n})" for verdict, n in picture.verdicts.items()]
    verdicts = f"**Verdicts:** {', '.join(told)}."
    return "\n\n".join(
        [
            f"## {picture.title.rstrip('.')} {{ #{picture.name} }}",
            f"[![{picture.title}](images/{picture.name}.png){{ loading=lazy }}]({picture.section})",
            picture.claim,
            *[verdicts] * bool(told),
            f"Made by `{picture.command}`. [Where it is explained]({picture.section}).",
        ]
    )


def _picture(script: Path) -> Picture:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    title, *paragraphs = (ast.get_docstring(tree) or "").split("\n\n")
    claim = "\n\n".join(_claim(paragraphs))
    kept = json.loads(script.with_suffix(".json").read_text(encoding="utf-8"))
    found = Counter(_verdicts(kept))
    options = [f" --{name} FOLDER" for name in _data(tree)]
    command = f".venv/bin/python {script.relative_to(DOCS.parent)}{''.join(options)}"
    ordered = {verdict: found[verdict] for verdict in VERDICTS if verdict in found}
    return Picture(script.stem, title, claim, ordered, command, _section(script.stem))


def _claim(paragraphs: list[str]) -> Iterator[str]:
    """The paragraph of claims with the list behind it; without one, the first paragraph."""
    first = next((n for n, text in enumerate(paragraphs) if text.startswith("Claim")), 0)
    yield paragraphs[first]
    lists = takewhile(ITEM.match, paragraphs[first + 1 :])
    yield from (ITEM.sub(r"- \1 ", text).replace("-  ", "- ") for text in lists)


def _verdicts(kept: Any) -> Iterator[str]:
    if isinstance(kept, str) and kept in VERDICTS:
        yield kept
    for part in kept.values() if isinstance(kept, dict) else kept if isinstance(kept, list) else ():
        yield from _verdicts(part)


def _data(tree: ast.Module) -> list[str]:
    """The data sets whose folders a script has to be told."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    studies = (call for call in calls if getattr(call.func, "id", "") == "Study")
    keywords = [word for call in studies for word in call.keywords if word.arg == "data"]
    return [name for word in keywords for name in ast.literal_eval(word.value)]


def _section(name: str) -> str:
    """The first section that shows a picture, pages about it before overviews."""
    pages = sorted(DOCS.glob("*.md"), key=lambda page: (page.name in OVERVIEWS, page.name))
    for page in pages:
        heading = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                heading = _anchor(line)
            if f"](images/{name}.png)" in line:
                return f"{page.name}#{heading}"
    return OTHERWISE


def _anchor(heading: str) -> str:
    """The anchor that mkdocs gives a heading."""
    words = re.sub(r"[^\w\s-]", "", heading.strip("# ")).strip().lower()
    return re.sub(r"[-\s]+", "-", words)
