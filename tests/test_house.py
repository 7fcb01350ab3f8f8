"""The house: what is promised about versions, pins, imports and citations."""

import ast
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
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# The rooms of the house, and what each may import of the others: data flows one way. The modules
# beside them, such as `_graph`, are the ground floor: all may import them, they import no room.
ROOMS = {
    "topologies": set(),
    "scores": set(),
    "products": set(),
    "reconstruction": {"products"},
    "networks": {"topologies", "products"},
    "challenge": {"products"},
    "ranking": {"topologies", "scores", "products", "reconstruction"},
    "plotting": {"topologies", "scores", "reconstruction", "ranking"},
    "cli": {
        "topologies",
        "scores",
        "reconstruction",
        "networks",
        "ranking",
        "plotting",
        "challenge",
    },
}
HEAVY = {"jax", "jaxlib", "matplotlib", "optax", "pandas", "rich"}
GRAPH_CODE = {"topologies", "_checks", "_files", "_graph", "_layered", "_layers", "_weights"}


def room(module: Path) -> str:
    return module.relative_to(ROOT / "topokit").with_suffix("").parts[0]


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


def test_building_a_topology_loads_neither_jax_nor_matplotlib() -> None:
    code = (
        "import sys, topokit; topokit.topologies.butterfly(4); topokit.read, topokit.write; "
        f"sys.exit(', '.join({HEAVY!r} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_imports_run_one_way(module: Path) -> None:
    if module.parent == ROOT / "topokit" and module.name == "__init__.py":
        return
    names = imported(module)
    rooms = {name.split(".")[1] for name in names if name.startswith("topokit.")}
    ground = {name for name in rooms if name.startswith("_")}
    assert rooms - ground - {room(module)} <= ROOMS.get(room(module), set())
    assert "topokit" not in names or room(module) == "cli", "the front door is for users"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_graph_code_knows_no_jax_and_jax_code_no_graph(module: Path) -> None:
    packages = {name.split(".")[0] for name in imported(module)}
    if room(module) in GRAPH_CODE:
        assert packages.isdisjoint(HEAVY)
    if "jax" in packages:
        assert networkx_names(module) <= {"DiGraph"}, "only the type, at the public door"


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
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    wanted = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    for requirement in map(Requirement, wanted):
        if requirement.name != "topokit":
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_constraints_hold_names_and_versions_alone() -> None:
    _, *pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
