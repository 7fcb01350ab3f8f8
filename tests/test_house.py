"""The house: what is promised about versions, pins, imports and citations."""

import ast
import collections
import graphlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import topokit as tk

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "topokit").rglob("*.py"))
FOLDERS = (".ci", "topokit", "analyses", "docs", "tests")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# A line of constraints.txt: a package, its version, and perhaps for which Python.
PIN = r"^([\w.-]+)==([\w.]+)(?:; python_version [<>=]+ \"3\.\d+\")?$"

# The rooms of the house, and what each may import of the others: data flows one way. A room within
# `scores` is a room of its own. The modules beside the rooms, such as `_checks`, are what all may
# import; they import no room.
ROOMS = {
    "layers": set(),
    "files": {"layers"},
    "topologies": {"layers"},
    "products": {"layers"},
    "scores.counts": {"layers"},
    "scores.freedom": {"layers", "scores.counts"},
    "scores.control": {"layers"},
    "scores.literature": {"layers"},
    "scores": {"layers", "scores.counts", "scores.freedom", "scores.control", "scores.literature"},
    "diagnosis": {"layers", "topologies", "scores.counts", "scores.freedom", "scores.control"},
    "reconstruction": {"layers", "products"},
    "designs": {"layers", "topologies", "scores.freedom", "products", "reconstruction"},
    "devices": {"layers", "topologies"},
    "networks": {"layers", "topologies", "products", "designs", "ranking", "devices"},
    "torch": {"layers", "networks"},
    "flax": {"layers", "networks"},
    "challenge": {"layers", "products"},
    "ranking": {
        "layers",
        "designs",
        "scores",
        "scores.control",
        "scores.counts",
        "products",
        "reconstruction",
    },
    "plotting": {"layers", "topologies", "scores", "reconstruction", "ranking"},
    "report": {"layers", "topologies", "diagnosis", "ranking"},
    "cli": {
        "layers",
        "topologies",
        "scores",
        "diagnosis",
        "reconstruction",
        "networks",
        "ranking",
        "plotting",
        "report",
        "challenge",
    },
}
# Rooms that say the same thing in another framework; there it has the same name.
FRAMEWORKS = {"networks", "torch", "flax"}
HEAVY = {"bokeh", "jax", "jaxlib", "matplotlib", "optax", "pandas", "rich"}
GRAPH_CODE = {"layers", "files", "topologies", "designs", "_checks"}


def room(dotted: str) -> str:
    """The room of a module, `topokit.scores.freedom._leverage` or a name in it; "" at the door."""
    _, *parts = dotted.split(".")
    inner = parts[:1] == ["scores"] and len(parts) > 1 and f"scores.{parts[1]}" in ROOMS
    return ".".join(parts[: 2 if inner else 1])


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(module: Path) -> set[str]:
    """The dotted names that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(level=0, module=str(origin)):
                names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def networkx_names(module: Path) -> set[str]:
    """What a module takes from `nx`."""
    tree = ast.walk(ast.parse(module.read_text()))
    found = (node for node in tree if isinstance(node, ast.Attribute))
    return {a.attr for a in found if isinstance(a.value, ast.Name) and a.value.id == "nx"}


@pytest.mark.parametrize(
    ("doing", "heavy"),
    [
        ("topokit.topologies.butterfly(4); topokit.read, topokit.write", HEAVY),
        ("topokit.score(topokit.topologies.butterfly(4))", HEAVY),
        ("from topokit.cli import main", HEAVY - {"rich"}),
    ],
)
def test_what_is_quick_loads_nothing_heavy(doing: str, heavy: set[str]) -> None:
    code = (
        f"import sys, topokit; {doing}; sys.exit(', '.join({heavy!r} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_imports_run_one_way_and_nothing_private_leaves_its_room() -> None:
    wrong = []
    for module in MODULES:
        here = room(dotted(module))
        for name in imported(module):
            there = room(name)
            if not name.startswith("topokit") or there == here or not here:
                continue
            allowed = there in ROOMS.get(here, set()) or there.startswith("_")
            private = any(part.startswith("_") for part in name.split(".")[2:])
            front = name == "topokit" and here == "cli"
            if not front and (not allowed or private):
                wrong.append(f"{dotted(module)} imports {name}")
    assert wrong == []


def test_one_place_writes_to_the_terminal() -> None:
    """What a command says goes through `_console`, which writes out what controls a terminal."""
    places = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                    places |= {dotted(module)} if name in {"echo", "secho", "print"} else set()
    assert places == {"topokit.cli._console", "topokit._progress"}


def test_the_rooms_have_an_order() -> None:
    tuple(graphlib.TopologicalSorter(ROOMS).static_order())


def test_the_rooms_are_the_folders() -> None:
    folders = {dotted(module.parent) for module in MODULES if module.name == "__init__.py"}
    found = {room(f) for f in folders} - {""}
    assert found == ROOMS.keys()


def test_graph_code_knows_no_jax_and_jax_code_no_graph() -> None:
    wrong = []
    for module in MODULES:
        packages = {name.split(".")[0] for name in imported(module)}
        if room(dotted(module)) in GRAPH_CODE and not packages.isdisjoint(HEAVY):
            wrong.append(f"{dotted(module)} builds graphs and imports {packages & HEAVY}")
        if "jax" in packages and not networkx_names(module) <= {"DiGraph"}:
            wrong.append(f"{dotted(module)} computes with JAX and reads a graph")
    assert wrong == []


@pytest.mark.parametrize("kind", [ast.ClassDef, None], ids=["class", "module"])
def test_no_name_stands_for_two_things(kind: type[ast.ClassDef] | None) -> None:
    """Nor twice in a room; one class may be called the same in each framework."""
    places = collections.defaultdict(set)
    for module in MODULES:
        if kind is None and not module.stem.startswith("__"):
            places[module.stem].add(dotted(module))
        elif kind is not None:
            tree = ast.walk(ast.parse(module.read_text()))
            for name in (node.name for node in tree if isinstance(node, kind)):
                places[name].add(dotted(module))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {n: f for n, f in twice.items() if kind is None or not in_frameworks(f)} == {}


def in_frameworks(places: set[str]) -> bool:
    """Whether all are in rooms of frameworks, no two in one."""
    rooms = {room(place) for place in places}
    return rooms <= FRAMEWORKS and len(rooms) == len(places)


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.search(r"^## \[(.+)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released is not None
    assert citation["version"] == released[1] == tk.__version__
    assert citation["date-released"] == released[2]


def test_the_citation_names_the_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    identifiers = {i["value"] for paper in citation["references"] for i in paper["identifiers"]}
    assert {"arXiv:2002.08339", "arXiv:1802.03885", "arXiv:1905.00416"} <= identifiers


def test_every_requirement_is_pinned_within_its_range() -> None:
    pins = collections.defaultdict(list)
    for name, version in re.findall(PIN, (ROOT / "constraints.txt").read_text(), re.MULTILINE):
        pins[canonicalize_name(name)].append(version)
    wanted = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    for requirement in map(Requirement, wanted):
        if requirement.name != PROJECT["name"]:
            found = pins[canonicalize_name(requirement.name)]
            assert found
            assert list(requirement.specifier.filter(found)) == found


def test_constraints_hold_names_and_versions_alone() -> None:
    _, *pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert [pin for pin in pins if not re.fullmatch(PIN, pin)] == []


def test_no_hint_installs_the_project_that_is_called_topokit_on_pypi() -> None:
    """A hint installs from the folder, as in `pip install .`, for nothing of ours is on PyPI."""
    beside = [path for path in ROOT.iterdir() if path.is_file()]
    within = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    hint = re.compile(r"install( +-[-\w]+)* +['\"]?topokit")
    texts = [path for path in beside + within if path.suffix not in {".png", ".pyc"}]
    told = [path for path in texts if hint.search(path.read_text())]
    assert told == []
