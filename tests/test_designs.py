"""The members of families: their sizes against what is built, the nearest against all of them."""

import pytest

import topokit as tk
from topokit.designs import members, nearest, usual, why_far

SIZES = [(8, 8), (12, 4)]
FAMILIES = list(tk.topologies.families())
MOST = 80
either = pytest.mark.parametrize("skip", [False, True], ids=["plain", "skip"])


def found(family, n_in, n_out, most=MOST, *, skip=False):
    """The members, none where the family has none."""
    try:
        return list(members(family, n_in, n_out, most=most, skip=skip))
    except ValueError:
        return []


@either
@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "erdos_renyi"])
def test_a_member_is_as_large_deep_and_narrow_as_it_was_counted(family, skip):
    some = [m for n_in, n_out in SIZES for m in found(family, n_in, n_out, skip=skip)]
    assert some
    for member in some[:: 1 + len(some) // 40]:
        layers = member.layers()
        assert (layers.n_in, layers.n_out) == (member.n_in, member.n_out)
        assert (layers.n_trainable, layers.depth) == (member.trainable, member.depth)
        assert min(layers.widths) == member.narrowest


@either
def test_random_edges_are_counted_in_expectation(skip):
    def member(seed):
        some = members("erdos_renyi", 32, 24, most=600, skip=skip, seed=seed)
        return next(m for m in some if m.depth == 3 and m.arguments["density"] > 0.2)

    drawn = [member(seed).layers().n_trainable for seed in range(0, 30000, 1000)]
    mean = sum(drawn) / len(drawn)
    spread = (sum((size - mean) ** 2 for size in drawn) / len(drawn)) ** 0.5
    assert abs(mean - member(0).trainable) < 4 * spread / len(drawn) ** 0.5


@either
@pytest.mark.parametrize("family", FAMILIES)
def test_a_larger_bound_adds_larger_members_alone(family, skip):
    for sizes in SIZES:
        few, many = (found(family, *sizes, most, skip=skip) for most in (MOST, 3 * MOST))
        within = [[m for m in some if m.trainable <= MOST] for some in (few, many)]
        assert within[0] == within[1]
        calls = [str(m.arguments) for m in many]
        assert len(set(calls)) == len(calls)


@pytest.mark.parametrize("sizes", [(2, 300), (300, 2), (1, 1), (1, 9), (2, 2)])
def test_members_of_the_smallest_sizes_come_to_an_end(sizes):
    counts = {family: len(found(family, *sizes, most=600)) for family in FAMILIES}
    assert all(counts[f] for f in ("dense", "low_rank", "clos", "erdos_renyi", "random_regular"))
    for family, count in counts.items():
        assert count == 0 or nearest(family, sizes[0], sizes[1], 20).layers().n_in == sizes[0]


def test_all_members_of_a_clos_network_are_found():
    budget, known = 500, set()
    for first in (1, 2, 3, 4, 6, 12):
        for last in (1, 2, 4, 8):
            most = budget // (12 + 8 + first * last)
            known |= {(first, middle, last) for middle in range(1, most + 1)}
    some = [m for m in found("clos", 12, 8, budget) if m.trainable <= budget]
    assert {tuple(list(m.arguments.values())[2:]) for m in some} == known


@either
@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "dense"])
def test_the_nearest_is_nearer_than_all_others_and_of_equals_the_shallowest(family, skip):
    for among in (usual, lambda _: True):
        every = [m for m in found(family, 16, 16, 1000, skip=skip) if among(m)]
        for budget in (32, 101, 250):
            best = nearest(family, 16, 16, budget, among=among, skip=skip)
            order = [(abs(m.trainable - budget), m.depth) for m in every]
            assert (abs(best.trainable - budget), best.depth) == min(order)


def test_a_graph_is_that_of_the_arrays_and_named_by_what_builds_it():
    member = nearest("random_regular", 16, 8, 150, skip=True, seed=3)
    graph, layers = member.build(), member.layers()
    assert tk.to_layers(graph) == layers
    assert graph.graph["parameters"]["seed"] == 3
    assert graph.name.endswith("+ skip")


def test_random_networks_are_drawn_again_while_an_output_has_no_path():
    member = nearest("erdos_renyi", 32, 32, 384, among=usual)
    with pytest.raises(ValueError, match="leaves an output without a path"):
        tk.topologies.erdos_renyi(**member.arguments)
    assert tk.to_layers(member.build()) == member.layers()


@pytest.mark.parametrize(
    ("family", "sizes", "reason"),
    [
        ("hypercube", (24, 24), "must be a power of two; given 24"),
        ("butterfly", (16, 8), "as many inputs as outputs"),
        ("torus", (1, 1), "at least 2"),
        ("radix_net", (7, 1), "at least 2 inputs and 2 outputs"),
        ("small_world", (3, 3), "at least 4 inputs"),
    ],
)
def test_a_family_without_a_member_says_why(family, sizes, reason):
    with pytest.raises(ValueError, match=reason):
        nearest(family, sizes[0], sizes[1], 20)


ANY_WIDTH = [f for f in FAMILIES if found(f, 7, 5) and f != "dense"]  # which is of one size


@either
@pytest.mark.parametrize("family", ANY_WIDTH)
@pytest.mark.parametrize("sizes", [(300, 100), (512, 10), (100, 367)])
def test_a_family_for_any_width_is_near_every_budget_from_its_least_member_on(family, sizes, skip):
    n_in, n_out = sizes
    least = min(m.trainable for m in found(family, n_in, n_out, 0, skip=skip))
    for share in (0.1, 0.23, 0.5):
        budget = round(share * n_in * n_out)
        best = nearest(family, n_in, n_out, budget, skip=skip)
        assert why_far(best, budget) == "" or (budget < least and best.trainable == least)


def test_a_budget_is_a_positive_integer():
    with pytest.raises(ValueError, match="trainable must be an integer of at least 1; given 0"):
        nearest("monarch", 16, 16, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_without_a_member_near_says_what_the_nearest_has(family):
    n_out = 16 if not found(family, 16, 12) else 12
    for budget in (20, 200, 300):
        best = nearest(family, 16, n_out, budget)
        off = abs(best.trainable - budget) / budget
        ends = "16 inputs and outputs" if n_out == 16 else "16 inputs and 12 outputs"
        words = f"has no member near {budget} trainable edges between {ends}: the nearest has "
        assert why_far(best, budget) == (f"{words}{best.trainable}" if off > 0.25 else "")
