"""Every call knows what it takes before it takes it: sizes from large to absurd are refused."""

import tracemalloc
from inspect import unwrap
from itertools import product

import pytest

from topokit.topologies import families

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
