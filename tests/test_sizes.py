"""Every call knows what it takes before it takes it: sizes from large to absurd are refused."""

import re
import tracemalloc
from functools import partial
from inspect import unwrap
from itertools import product

import networkx as nx
import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit

import topokit as tk
from topokit._limits import TooLargeError
from topokit.layers import said_of
from topokit.topologies import building_lines, families

# Members of every family, with what is special of each: ends that are cut, blocks that are not
# equal, one layer and many.
MEMBERS = {
    "dense": [{"n_in": 3, "n_out": 5}],
    "low_rank": [{"n_in": 3, "n_out": 5, "rank": 7}],
    "block_diagonal": [{"n_in": 7, "n_out": 11, "blocks": 3}],
    "diagonals": [{"n_in": 9, "n_out": 5, "bands": 3, "width": 2}],
    "butterfly": [{"n": 8, "depth": 7}, {"n": 4}],
    "parallel_butterfly": [{"n": 8, "depth": 4, "copies": 3}, {"n": 4, "depth": 1, "copies": 1}],
    "rectangular_butterfly": [
        {"n_in": 12, "n_out": 5},
        {"n_in": 5, "n_out": 12, "radices": [3, 5], "sweeps": 2},
        {"n_in": 7, "n_out": 6, "radices": [2, 4], "sweeps": 4},
    ],
    "monarch": [{"n_in": 7, "n_out": 10, "blocks": 3, "rank": 2}],
    "clos": [{"n_in": 6, "n_out": 8, "input_routers": 3, "middle_routers": 5, "output_routers": 2}],
    "hypercube": [{"n": 8, "depth": 3}],
    "torus": [{"shape": [4, 2, 1, 3], "depth": 2}],
    "radix_net": [{"radices": [[2, 3], [3]], "widths": [1, 2, 3, 1]}],
    "erdos_renyi": [{"widths": [40, 30, 50], "density": 0.4, "seed": 0}],
    "random_regular": [{"widths": [6, 5, 7], "fan_in": 4, "seed": 0}],
    "small_world": [
        {"n": 12, "depth": 2, "neighbours": 4, "rewiring": 0.5, "seed": 0},
    ],
}
CASES = [(name, member) for name, members in MEMBERS.items() for member in members]


def test_the_members_are_of_all_families():
    assert MEMBERS.keys() == families().keys()


@pytest.mark.parametrize(("name", "member"), CASES)
def test_the_size_that_is_checked_is_that_of_the_arrays(name, member, monkeypatch):
    checked = {}
    builder = families()[name].layers
    # Of families made of others the first check counts.
    monkeypatch.setitem(
        unwrap(builder).__globals__, "check_size", lambda **told: checked.update(told | checked)
    )
    made = builder(**member)
    assert checked["neurons"] == sum(made.widths)
    strayed = 0.1 * made.n_edges if name == "erdos_renyi" else 0
    assert abs(checked["edges"] - made.n_edges) <= strayed
    assert checked["parts"] >= made.depth


@pytest.mark.parametrize(("name", "member"), CASES)
def test_arrays_say_of_themselves_what_the_graph_does(name, member):
    arrays, graph = families()[name].described(**member), families()[name](**member)
    assert arrays.said == graph.graph
    for change in (partial(tk.with_skip, placement="random", seed=3), tk.with_diagonal):
        arrays, graph = change(arrays), change(graph)
    assert said_of(arrays) == graph.graph
    assert arrays == tk.to_layers(graph)
    assert building_lines(arrays) == building_lines(graph)


def enlarged(value, size):
    """A number, or the first one of a list of them, as large as this."""
    return size if isinstance(value, int) else [enlarged(value[0], size), *value[1:]]


@pytest.mark.parametrize(("name", "member"), CASES)
def test_a_member_of_any_size_is_refused_before_arrays_are_made(name, member):
    """One number after the other is as large as can be, for the graph and for the arrays."""
    family = families()[name]
    numbers = [key for key, value in member.items() if not isinstance(value, float)]
    for key, exponent in product(set(numbers) - {"seed"}, (33, 62, 64, 20_000)):
        for build in (family, family.layers):
            tracemalloc.start()
            with pytest.raises(ValueError, match="must|needs") as caught:
                build(**member | {key: enlarged(member[key], 2**exponent)})
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 2**21
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 400


COMMANDS = (
    "score butterfly --n 8 --skip straight",
    "diagnose butterfly --n 8",
    "plot butterfly --n 8 --what masks -o a.png",
    "build butterfly --n 8 --diagonal -o a.npz",
)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_build_no_graph(words, monkeypatch):
    def build(*_, **__):
        raise AssertionError("a graph is built")

    for room in ("layers._graph", "topologies._family", "topologies._compose"):
        monkeypatch.setattr(f"topokit.{room}.from_layers", build)
    assert topokit(words).exit_code == 0


def test_a_file_of_arrays_reads_back_as_that_of_the_graph():
    assert topokit("build butterfly --n 8 --skip random --seed 2 -o a.npz").exit_code == 0
    tk.write(tk.with_skip(tk.topologies.butterfly(n=8), placement="random", seed=2), "b.npz")
    found, wanted = tk.read("a.npz"), tk.read("b.npz")
    assert found.graph == wanted.graph
    assert found.edges == wanted.edges


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("score butterfly --n 4 --depth 10000000000", "needs .* TiB of memory"),
        ("score dense --n-in 3000000 --n-out 3000000", "needs .* TiB of memory"),
        ("build torus --shape 300x300 --depth 5000 -o a.npz", "needs .* GiB of memory"),
        ("build block_diagonal --n-in 1000000 --n-out 1000000 --blocks 100 -o a.npz", "needs"),
        ("plot dense --n-in 800 --n-out 800 -o a.png", "topokit plot --what masks"),
        ("plot butterfly --n 65536 --depth 1 --what masks -o a.png", "needs 16 GiB of memory"),
        ("diagnose butterfly --n 262144 --depth 1 --json", "needs .* GiB of memory"),
        ("design --n-in 1000000 --n-out 1000000 --share 0.1", "needs .* TiB of memory"),
        ("rank --n 1000000", "needs .* PiB of memory"),
        ("challenge --n 1000000000000", "needs .* TiB of memory"),
    ],
)
def test_commands_refuse_what_does_not_fit_in_one_line(words, told):
    result = topokit(words)
    assert result.exit_code == 2
    assert re.fullmatch(rf"Error: .*{told}.*\n", result.stderr.splitlines(keepends=True)[-1])


def test_out_of_memory_is_a_line_with_what_to_do(monkeypatch):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 64.0 GiB")

    monkeypatch.setattr(tk, "score", full)
    result = topokit("score butterfly --n 8")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: out of memory: Unable to allocate 64.0 GiB; give a smaller topology, or fewer at "
        "once\n"
    )


WIDE = tk.topologies.random_regular.layers([200_000, 200_000], 1, seed=0)
FIRST = np.zeros(1, int)
LONG = tk.topologies.butterfly.layers(2, 2500)


def jumps_of_all(n):
    """A chain, with edges from each of it to the last one: relays grow with the square."""
    return nx.DiGraph([*((k, k + 1) for k in range(n)), *((k, n) for k in range(n - 1))])


def zeros(*shape):
    """Zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


CALLS = {
    "masks": lambda: tk.to_masks(WIDE),
    "diagnosis": lambda: tk.diagnose(WIDE),
    "score": lambda: tk.score(WIDE),
    "paths": lambda: tk.scores.path_counts(WIDE),
    "canonical K": lambda: tk.controllability(WIDE),
    "paper's K": lambda: tk.controllability(WIDE, fairness=False),
    "matching": lambda: tk.satisfiable_constraints(WIDE),
    "leverage": lambda: tk.leverage(WIDE),
    "predicted loss": lambda: tk.predicted_loss(WIDE),
    "reconstruction": lambda: tk.reconstruct(WIDE, zeros(200_000, 200_000)),
    "many targets": lambda: tk.reconstruct(LONG, zeros(10**9, 2, 2)),
    "satisfied entries": lambda: tk.reconstruction.satisfy(WIDE, zeros(200_000, 200_000)),
    "targets": lambda: tk.ranking.gaussian_targets(10**12, 4, 4, seed=0),
    "ranking": lambda: tk.rank({"wide": WIDE}),
    "step": lambda: tk.products.step_time(WIDE),
    "batch of a step": lambda: tk.products.step_time(LONG, batch=2**60),
    "edges as lines": lambda: tk.plotting.plot_topology(tk.topologies.dense.layers(600, 600)),
    "layers as columns": lambda: tk.plotting.plot_topology(LONG),
    "masks as panels": lambda: tk.plotting.plot_masks(LONG),
    "masks as a picture": lambda: tk.plotting.plot_masks(WIDE),
    "relays": lambda: tk.layered(jumps_of_all(4000)),
    "side by side": lambda: tk.parallel([WIDE] * 600, shared=False),
    "graph": lambda: tk.from_layers(
        tk.make_layers([10**7, 1], [np.zeros(1, int)], [np.zeros(1, int)])
    ),
    "graph to write": lambda: tk.write(
        tk.topologies.block_diagonal.layers(10**6, 10**6, 100), "a.json"
    ),
    "design": lambda: tk.design(10**6, 10**6, share=0.1),
    "default set": lambda: tk.ranking.default_topologies(n=10**6),
    "images": lambda: tk.challenge.synthetic_images(10**9),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_fit_is_refused_with_a_cheaper_way(name):
    with pytest.raises(TooLargeError) as caught:
        CALLS[name]()
    told = str(caught.value)
    assert "\n" not in told
    assert "; " in told or ": " in told
