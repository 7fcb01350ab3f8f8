"""The command and the lines of Python that a page shows build the topology that it shows."""

import json
import shlex
from typing import Any

import networkx as nx
import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of

import topokit as tk
from topokit.topologies import building_lines, shell_line, true_name

T = tk.topologies
MEMBERS = [
    T.dense(4, 3),
    T.low_rank(4, 4, rank=2),
    T.butterfly(8),
    T.parallel_butterfly(8, 3, 2),
    T.block_diagonal(7, 5, 3),
    T.diagonals(5, 7, 2, width=2),
    T.rectangular_butterfly(7, 5, radices=[3, 3], sweeps=2),
    T.rectangular_butterfly(5, 3),
    T.monarch(7, 5, 2, rank=2),
    T.clos(8, 8, 4, 3, 4),
    T.hypercube(8, 3),
    T.torus((3, 2), 2),
    T.radix_net([[2, 2], [4]], widths=[1, 2, 1, 1]),
    T.radix_net([[2, 2], [4]], widths=[2, 2, 1, 2], n_in=7, n_out=5),
    T.erdos_renyi([8, 9, 8], 0.5, seed=4),
    T.random_regular([8, 8], 3, seed=5),
    T.small_world(8, 2, 4, 0.25, seed=0),
]
CHANGED = [
    *MEMBERS,
    *map(tk.with_skip, MEMBERS),
    tk.with_diagonal(tk.with_skip(T.torus((4, 2), 2), placement="crossing")),
    tk.with_skip(T.hypercube(8, 3), placement="random", seed=7),
    tk.with_skip(T.erdos_renyi([8, 9, 8], 0.5, seed=4), placement="random", seed=4),
]
ONLY_PYTHON = [
    tk.with_skip(T.butterfly(8), weight=2.0),
    tk.with_skip(tk.with_diagonal(T.butterfly(8))),
    tk.with_skip(T.erdos_renyi([8, 9, 8], 0.5, seed=4), placement="random", seed=5),
    tk.trim(T.butterfly(8), drop_outputs=[0, 3]),
    tk.trim(T.butterfly(8), drop_inputs=np.array([2]).tolist()),
]


def edited() -> nx.DiGraph:
    graph = T.butterfly(8)
    graph.remove_edge((0, 0), (1, 1))
    return graph


def saying(**said: Any) -> nx.DiGraph:
    """A butterfly that says something else of itself."""
    graph = T.butterfly(8)
    graph.graph.update(said)
    return graph


UNKNOWN = [
    edited(),
    tk.from_masks([np.ones((2, 2))]),
    tk.cascade([T.butterfly(4), T.butterfly(4)]),
    T.butterfly.layers(8),
    saying(parameters={"n": 16, "depth": None}),
    saying(parameters={"n": 10**9, "depth": 10**9}),
    saying(parameters=None),
    saying(parameters={"n": "8"}),
    saying(parameters={"n": [8]}),
    saying(family="__import__"),
    saying(family=["butterfly"]),
    saying(changes=[["with_skip", {}]]),
    saying(changes=[["system", {"command": "true"}]]),
    saying(changes=7),
    saying(changes=[["with_skip"]]),
]


def name_of(topology: Any) -> str:
    return getattr(topology, "name", "recipe")


@pytest.mark.parametrize("topology", [*CHANGED, *ONLY_PYTHON], ids=name_of)
def test_the_lines_of_python_build_an_equal_topology(topology: nx.DiGraph) -> None:
    names: dict[str, Any] = {}
    exec("\n".join(building_lines(topology).python or ()), names)
    assert tk.to_layers(names["graph"]) == tk.to_layers(topology)
    assert names["graph"].graph["parameters"] == topology.graph["parameters"]


@pytest.mark.parametrize("topology", CHANGED, ids=name_of)
def test_the_command_builds_an_equal_topology(topology: nx.DiGraph) -> None:
    words = building_lines(topology).command
    assert words is not None
    program, *rest = shlex.split(shell_line(words, "a file.npz"))
    assert program == "topokit"
    output_of(shlex.join(rest))
    assert tk.to_layers(tk.read("a file.npz")) == tk.to_layers(topology)


@pytest.mark.parametrize("topology", ONLY_PYTHON, ids=name_of)
def test_what_the_shell_cannot_build_has_no_command(topology: nx.DiGraph) -> None:
    assert building_lines(topology).command is None


@pytest.mark.parametrize("topology", UNKNOWN)
def test_what_a_graph_says_of_itself_is_not_believed_but_tried(topology: Any) -> None:
    assert building_lines(topology) == (None, None)


def names_shown(graph: nx.DiGraph) -> set[str]:
    """What a diagnosis, a score of a file and a picture of a file call a topology."""
    tk.write(graph, "net.npz")
    score = json.loads(output_of("score net.npz --json"))
    picture = output_of("plot net.npz --what masks -o net.png").strip()
    return {tk.diagnose(graph).name, score["name"], picture.partition(" masks of ")[2]}


@pytest.mark.parametrize("topology", [*CHANGED, *ONLY_PYTHON], ids=name_of)
def test_a_name_of_a_builder_is_shown_for_its_edges_alone(topology: nx.DiGraph) -> None:
    layers = tk.to_layers(topology)
    assert true_name(topology, layers) == topology.name
    graph = topology.copy()
    graph.edges[next(iter(graph.edges))].update(trainable=False, weight=0.5)
    name = true_name(graph, tk.to_layers(graph))
    assert name == f"{topology.name}, other edges"
    graph.name = name
    assert true_name(graph, tk.to_layers(graph)) == name


@pytest.mark.parametrize(
    ("graph", "name"),
    [
        (T.butterfly(8), "butterfly(8)"),
        (edited(), "butterfly(8), other edges"),
        (tk.with_skip(edited()), "butterfly(8) + skip, other edges"),
        (saying(parameters={"n": 10**9, "depth": 10**9}), "butterfly(8), other edges"),
        (saying(name="mine", parameters={"n": 16}), "mine"),
        (saying(family="mine"), "butterfly(8)"),
    ],
)
def test_all_that_shows_names_asks_whether_they_are_true(graph: nx.DiGraph, name: str) -> None:
    assert names_shown(graph) == {name}


@pytest.mark.parametrize("ending", ["npz", "json", "graphml"])
def test_a_file_keeps_what_the_lines_need(ending: str) -> None:
    graph = CHANGED[-3]
    tk.write(graph, f"net.{ending}")
    assert building_lines(tk.read(f"net.{ending}")) == building_lines(graph)
