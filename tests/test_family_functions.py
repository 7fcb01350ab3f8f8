"""A family is a plain function: signature, names, pickle, help and executors treat it as one."""

import copy
import doctest
import inspect
import pickle
import re
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cloudpickle
import networkx as nx
import pytest

import topokit as tk
from topokit.topologies import Family, butterfly, family

FAMILIES = tk.topologies.families()
ARGUMENTS = {
    "dense": (3, 2),
    "low_rank": (3, 3, 1),
    "block_diagonal": (3, 2, 2),
    "diagonals": (3, 4, 2),
    "butterfly": (4,),
    "parallel_butterfly": (4, 2, 2),
    "rectangular_butterfly": (5, 3),
    "monarch": (4, 4, 2),
    "clos": (4, 4, 2, 2, 2),
    "hypercube": (4, 2),
    "torus": ((3, 3), 1),
    "radix_net": ([[2, 2]],),
    "erdos_renyi": ([4, 4], 0.9),
    "random_regular": ([4, 4], 2),
    "small_world": (6, 2, 2, 0.1),
}

every_family = pytest.mark.parametrize("built", FAMILIES.values(), ids=list(FAMILIES))


@family
def ring(n: int, depth: int = 1) -> tk.Layers:
    """A family that is none of the package's."""
    return tk.topologies.torus.layers((n,), depth)


def seeded(built: Callable) -> dict[str, int]:
    return {"seed": 3} if "seed" in inspect.signature(built).parameters else {}


@every_family
def test_a_family_is_a_function_that_says_it_returns_a_graph(built):
    assert isinstance(built, Family)
    assert [type(built), type(built.layers)] == [types.FunctionType] * 2
    graph, arrays = inspect.signature(built), inspect.signature(built.layers)
    assert graph.return_annotation is nx.DiGraph
    assert arrays.return_annotation is tk.Layers
    assert graph.parameters == arrays.parameters
    hints = {**typing.get_type_hints(built.layers), "return": nx.DiGraph}
    assert typing.get_type_hints(built) == hints


@every_family
def test_a_family_returns_what_its_signature_says(built):
    arguments = ARGUMENTS[built.__name__]
    graph, arrays = built(*arguments, **seeded(built)), built.layers(*arguments, **seeded(built))
    assert isinstance(graph, nx.DiGraph)
    assert isinstance(arrays, tk.Layers)
    assert tk.to_masks(graph)[0].tolist() == tk.to_masks(arrays)[0].tolist()


@every_family
def test_a_family_and_its_arrays_say_their_names(built):
    name = built.__name__
    assert FAMILIES[name] is built
    assert built.__module__ == built.layers.__module__
    assert built.__module__.startswith("topokit.topologies.")
    assert (built.__qualname__, built.layers.__qualname__) == (name, f"{name}.layers")
    assert re.fullmatch(rf"<function {name} at 0x\w+>", repr(built))
    assert re.fullmatch(rf"<function {name}\.layers at 0x\w+>", repr(built.layers))


@pytest.mark.parametrize("built", [*FAMILIES.values(), ring], ids=[*FAMILIES, "ring"])
@pytest.mark.parametrize("module", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_a_family_and_its_arrays_are_pickled_by_name(built, module):
    for whole in (built, built.layers):
        assert module.loads(module.dumps(whole)) is whole
        assert copy.copy(whole) is copy.deepcopy(whole) is whole


def test_a_family_of_a_notebook_goes_by_value_and_stays_another_than_its_namesake():
    code = """
import pickle, cloudpickle
import topokit as tk

@tk.topologies.family
def butterfly(n: int) -> tk.Layers:
    return tk.topologies.dense.layers(n, n)

sent = cloudpickle.dumps((butterfly, butterfly.layers, tk.topologies.butterfly))
del butterfly
mine, arrays, theirs = pickle.loads(sent)
assert mine(8).graph["family"] == theirs(8).graph["family"] == "butterfly"
assert mine(8).number_of_edges() == arrays(8).n_edges == 64
assert theirs is tk.topologies.butterfly
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_executor_takes_families_and_their_arrays():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        graphs = [
            pool.submit(built, *ARGUMENTS[name], **seeded(built))
            for name, built in FAMILIES.items()
        ]
        arrays = list(pool.map(butterfly.layers, [2, 4]))
    for (name, built), graph in zip(FAMILIES.items(), graphs, strict=True):
        assert nx.utils.graphs_equal(graph.result(), built(*ARGUMENTS[name], **seeded(built)))
    assert [layers.widths[0] for layers in arrays] == [2, 4]


@every_family
def test_doctest_and_help_find_a_family_where_it_is_defined(built):
    module = inspect.getmodule(built)
    found = {test.name for test in doctest.DocTestFinder(exclude_empty=False).find(module)}
    assert f"{built.__module__}.{built.__name__}" in found
    assert inspect.getdoc(built) == inspect.getdoc(built.layers)
    assert "Args:" in str(inspect.getdoc(built))


def test_arguments_are_bound_as_those_of_any_function():
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        butterfly()  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="unexpected keyword argument 'deep'"):
        butterfly(4, deep=3)  # pyright: ignore[reportCallIssue]


def test_a_missing_argument_is_told_with_the_name_and_what_it_takes():
    with pytest.raises(TypeError, match=r"random_regular\(widths.*missing .*'seed'"):
        tk.topologies.random_regular([4, 4], 2)  # pyright: ignore[reportCallIssue]
