"""Every example of the README and of the documentation runs, and prints what it says."""

import ast
import doctest
import json
import re
import shlex
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click
import matplotlib as mpl
import pytest
from _pytest.mark import ParameterSet
from click.testing import CliRunner
from foreign import needing

import topokit as tk
from analyses.kit._study import FOLDERS
from topokit.cli import main
from topokit.cli._family_options import change_options
from topokit.cli._topology_group import TopologyGroup

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = [s for s in sorted((ROOT / "analyses").rglob("*.py")) if not s.name.startswith("_")]

# Pages for people who come from a framework.
FROM = {"pytorch.md": "torch", "flax.md": "flax", "onnx.md": "jax2onnx"}
WORKS = "forward", "training"
# These take minutes. Of them only the options are checked.
SLOW = {
    "topokit rank",
    "topokit design --n-in 784 --n-out 300 --share 0.1",
    "topokit design --n-in 784 --n-out 300 --share 0.1 --depth 3 -o layer.npz",
    "topokit design --n-in 768 --n-out 3072 --share 0.05 --depth 3",
}


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = FENCE.finditer(text)
    return [Block(match[1], match[2], text.count("\n", 0, match.start()) + 2) for match in found]


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(b.language in languages for b in blocks(page))]


def with_its_package(page: Path) -> ParameterSet:
    """A page for people who come from a framework, which shows what needs it."""
    marks = needing(FROM[page.name]) if page.name in FROM else []
    return pytest.param(page, marks=marks, id=page.name)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")


@pytest.mark.parametrize("page", [*map(with_its_package, pages_with("python", "pycon"))])
def test_python_examples_run_and_print_what_the_page_says(page: Path) -> None:
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), names)
        elif block.language == "pycon":
            parsed = doctest.DocTestParser().get_doctest(
                block.text, names, page.name, str(page), block.line - 1
            )
            runner.run(parsed, clear_globs=False)
            names = parsed.globs
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("page", pages_with("console"), ids=lambda p: p.name)
def test_commands_succeed_on_the_files_that_the_page_shows(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processes, which import everything again, have tests of their own.
    monkeypatch.setattr(tk.ranking, "process_pool", ThreadPoolExecutor)
    for block in blocks(page):
        if block.language == "toml":
            Path(block.text.split()[1]).write_text(block.text)
    lines = [line for b in blocks(page) if b.language == "console" for line in b.text.splitlines()]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["topokit"]:
            slow = ["--help"] if " ".join(words) in SLOW else []
            done = CliRunner().invoke(main, [*words[1:], *slow])
            assert done.exit_code == 0, f"{line}\n{done.output}"


@pytest.mark.parametrize("name", main.commands)
def test_the_reference_names_every_option_of_every_command(name: str) -> None:
    command = main.commands[name]
    own = command.own_options if isinstance(command, TopologyGroup) else command.params
    page = (ROOT / "docs" / "api" / "command-line.md").read_text()
    section = page.split(f"## topokit {name}")[1].split("\n## ")[0]
    missing = [o for p in own if isinstance(p, click.Option) for o in p.opts if o not in section]
    assert missing == []


def test_the_reference_names_the_options_of_every_family() -> None:
    page = (ROOT / "docs" / "api" / "command-line.md").read_text()
    assert [o for p in change_options() for o in p.opts if f"`{o}" not in page] == []


@pytest.mark.parametrize("name", tk.topologies.families())
def test_the_guide_and_the_reference_name_every_family(name: str) -> None:
    assert f"| `{name}(" in (ROOT / "docs" / "choosing-a-topology.md").read_text()
    assert f"topokit.topologies.{name}\n" in (ROOT / "docs" / "api" / "topologies.md").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.name)
def test_every_analysis_is_explained_and_keeps_its_numbers(script: Path) -> None:
    page = (ROOT / "docs" / "reproducing-the-figures.md").read_text()
    assert f"`{script.relative_to(ROOT / 'analyses')}`" in page
    assert script.with_suffix(".json").exists()


def test_the_gallery_shows_every_picture_with_its_command_and_its_section() -> None:
    shown = {picture.name: picture for picture in gallery().pictures()}
    files = {path.stem: path for path in (ROOT / "analyses").rglob("*.png")}
    assert shown.keys() == files.keys()
    for name, picture in shown.items():
        python, script, *options = picture.command.split()
        assert (python, ROOT / script) == (".venv/bin/python", files[name].with_suffix(".py"))
        assert {word.lstrip("-") for word in options[::2]} <= FOLDERS.keys()
        page, _, anchor = picture.section.partition("#")
        text = (ROOT / "docs" / page).read_text()
        assert f"](images/{name}.png)" in text or page == "reproducing-the-figures.md"
        assert anchor
        entry = gallery().entry(picture)
        assert f"](images/{name}.png)" in entry
        assert picture.command in entry


def test_the_gallery_shows_every_picture_beside_the_pages_too() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text()
    names = {path.name for path in (ROOT / "docs").glob("*.png")}
    shown = dict(re.findall(r"\]\(([\w]+\.png)\){ loading=lazy }\]\(([^)]+)\)", page))
    assert shown.keys() == names
    for name, section in shown.items():
        explained = (ROOT / "docs" / section.partition("#")[0]).read_text()
        assert f"]({name})" in explained


def test_the_gallery_tells_the_verdicts_of_the_numbers() -> None:
    for picture in gallery().pictures():
        script = ROOT / picture.command.split()[1]
        kept = script.with_suffix(".json").read_text()
        found = re.findall(r'"(holds|holds in part|does not hold|not measured)"(?!:)', kept)
        assert Counter(found) == picture.verdicts
        docstring = " ".join((ast.get_docstring(ast.parse(script.read_text())) or "").split())
        assert picture.title in docstring
        assert " ".join(picture.claim.split("\n\n")[0].split()) in docstring


def test_the_page_for_pytorch_shows_what_was_measured() -> None:
    page = (ROOT / "docs" / "pytorch.md").read_text()
    kept = json.loads((ROOT / "analyses" / "benchmarks" / "torch_layers.json").read_text())
    pairs = [("clos", "dense"), ("butterfly", "dense")]
    pairs += [("random", peer) for peer in ("dense", "masked", "CSR")]
    measured = [name for name in kept if name.startswith("width")]
    assert len(measured) > 4
    for name in measured:
        width, batch = re.findall(r"\d+", name)
        ratios = [
            " / ".join(f"{kept[name][work]['ratios'][own][peer][1]:.2g}" for work in WORKS)
            for own, peer in pairs
        ]
        assert " | ".join([f"| {int(width):,}", batch, *ratios]) + " |\n" in page


def test_the_page_about_gpus_is_filled_with_what_was_measured() -> None:
    text = (ROOT / "docs" / "on-a-gpu.md").read_text()
    kept = json.loads((ROOT / "analyses" / "benchmarks" / "on_gpu.json").read_text())
    page = tool("kept_tables").filled("on-a-gpu.md", text)
    assert "{{" not in page
    lines = page.splitlines()
    for case, row in kept["challenge"].items():
        if "rate" in row:
            size, form = case.rsplit(", ", 1)
            (line,) = (line for line in lines if line.startswith(f"| {size} |"))
            shown = line.split(" | ")[1 + ("edges", "classes").index(form)]
            assert float(shown) == pytest.approx(row["rate"] / 1e12, rel=6e-3)
    for section, part in (("layers", "training"), ("steps", "seconds")):
        for case, found in kept[section].items():
            assert any(line.startswith(f"| {case} |") for line in lines) == (part in found)
    assert kept["environment"]["device"] in page


def test_no_page_is_left_with_a_mark_that_is_not_filled() -> None:
    filled = tool("kept_tables").filled
    for path in (ROOT / "docs").glob("*.md"):
        page = filled(path.name, path.read_text())
        assert not re.search(r"^{{|{{ \S+\.json", page, re.MULTILINE), path.name


def test_a_field_of_a_page_is_formatted_and_divided() -> None:
    told = tool("kept_tables").told
    record = {"bytes": {"in full": 12_345.0, "packed": 617.25}, "many": [1, 2], "none": None}
    assert told("bytes[in full]:.1f / 1e3", record) == "12.3"
    assert told("bytes[in full]:.0f / bytes[packed]", record) == "20"
    assert told("bytes[in full]:short", record) == "12,300"
    assert told("many[1]:d", record) == "2"
    assert told("none:short", record) == "-"
    with pytest.raises(KeyError, match="sent"):
        told("bytes[sent]", record)


def gallery() -> Any:
    """The module that fills the gallery when the site is built."""
    return tool("gallery")


@cache
def tool(name: str) -> Any:
    """A module by which the site is built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs" / "tools")
        return import_module(name)


def test_verdicts_are_those_of_the_analyses() -> None:
    page = (ROOT / "docs" / "papers-and-training.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([a-z ]+) \| `(.+)` \| `(.+)` \|$", page, re.MULTILINE)
    assert len(rows) == page.count("\n| ") - 2
    for verdict, script, place in rows:
        found = json.loads((ROOT / "analyses" / f"{script}.json").read_text())
        kept = reduce(dict.__getitem__, place.split("."), found)
        assert (place, kept if isinstance(kept, str) else kept["verdict"]) == (place, verdict)
