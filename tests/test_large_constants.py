"""Constants over the whole range of floats: every score is the one of exact arithmetic.

The second way is that of fractions: the Jacobian at the very weights that are drawn, and an
orthogonal basis of its columns, without a rounding. Where constants of a chain of neurons only
stretch what neurons hold, floats know the answer too.
"""

from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit.layers import (
    EXACT,
    as_scaled,
    at_outputs,
    backward,
    forward,
    scaled,
    weights_of_logs,
    weights_with_powers,
)
from topokit.networks import SparseLinear
from topokit.reconstruction import Adam
from topokit.scores import (
    effective_order,
    estimate_freedom,
    estimate_leverage,
    interaction_order,
    log_synflow,
    soft_leverage,
)
from topokit.scores.freedom._balanced_constants import balanced
from topokit.scores.freedom._weight_scale import draw_to_scale

laws = settings(max_examples=12)
# Of any exponent that a float has, the least denormal ones included.
SIZES = st.floats(5e-324, 1.7e308) | st.integers(-1074, 1023).map(lambda power: 2.0**power)
SIGNED = st.builds(lambda size, sign: sign * size, SIZES, st.sampled_from([1.0, -1.0]))


def diagonal(constants) -> tuple[np.ndarray, np.ndarray]:
    """A layer of constants that stretch neurons, and what of it is trainable."""
    return np.diag(constants), np.zeros((len(constants), len(constants)), bool)


@st.composite
def stretched_networks(draw):
    """A network without constants, and the same one between layers that stretch its neurons."""
    plain = draw(layered_networks(trainable=True, max_width=4, max_depth=3))
    masks, parts = tk.to_masks(plain), []
    for mask in masks:
        parts += [diagonal(draw(constants_of(len(mask)))), (mask.astype(float), mask)]
    parts.append(diagonal(draw(constants_of(plain.n_out))))
    return plain, tk.to_layers(tk.from_masks(*zip(*parts, strict=True)))


@st.composite
def networks_with_stretched_ends(draw):
    """A network without constants between layers that stretch its inputs and its outputs."""
    plain = draw(layered_networks(trainable=True, max_width=3, max_depth=3))
    parts = [(mask.astype(float), mask) for mask in tk.to_masks(plain)]
    ends = (diagonal(draw(constants_of(n))) for n in (plain.n_in, plain.n_out))
    first, last = ends
    return tk.to_layers(tk.from_masks(*zip(first, *parts, last, strict=True)))


def constants_of(n: int):
    return st.lists(SIGNED, min_size=n, max_size=n)


def test_the_leverage_of_a_triangle_between_constants_is_a_triangle():
    first, fixed = diagonal([1e160, 1e-170])
    middle = np.array([[1.0, 1.0], [0.0, 1.0]])
    graph = tk.from_masks([first, middle, first], [fixed, middle > 0, fixed])
    assert tk.leverage(graph) == pytest.approx(middle)
    assert tk.predicted_loss(graph) == pytest.approx(0.25)
    assert tk.predicted_loss(graph, method="estimate") == pytest.approx(0.25, abs=0.05)
    assert estimate_leverage(graph, n_samples=2).outputs == pytest.approx([0.5, 1.0])


@laws
@given(stretched_networks())
def test_what_only_stretches_neurons_changes_no_degree_of_freedom(both):
    plain, stretched = both
    freedom = tk.degrees_of_freedom(plain)
    assert tk.degrees_of_freedom(stretched) == freedom
    found = [estimate_freedom(stretched, seed=seed).degrees_of_freedom for seed in range(8)]
    assert abs(np.mean(found) - freedom) <= max(freedom / 2, 2)  # of few probes, so rough
    assert interaction_order(stretched) == pytest.approx(interaction_order(plain))


@laws
@given(stretched_networks())
def test_every_number_of_a_stretched_network_is_a_number(both):
    _, stretched = both
    assert 0 <= tk.predicted_loss(stretched, n_samples=1) <= 1
    assert 1 <= effective_order(stretched) <= stretched.depth
    assert np.isfinite(log_synflow(stretched))
    assert ((soft_leverage(stretched) >= 0) & (soft_leverage(stretched) < 1)).all()


@st.composite
def networks_and_powers(draw):
    """A network with constants, and a power of two for every hidden neuron and for both ends."""
    layers = draw(layered_networks(max_width=4, max_depth=3))
    powers = [
        np.array(draw(st.lists(st.integers(-250, 250), min_size=n, max_size=n)))
        for n in layers.widths
    ]
    return layers, powers


@laws
@given(networks_and_powers())
def test_weights_with_powers_multiply_as_their_values_do(both):
    layers, powers = both
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=s.size) for s in layers.senders]
    weights = [
        weights_with_powers(n, a[s] - b[r])
        for n, s, r, a, b in zip(
            numbers, layers.senders, layers.receivers, powers, powers[1:], strict=False
        )
    ]
    found = at_outputs(layers, as_scaled(np.eye(layers.n_in)), weights, algebra=scaled())
    assert ((abs(found.numbers).max(1) >= 0.5) | (abs(found.numbers).max(1) == 0)).all()
    exact = at_outputs(layers, np.eye(layers.n_in, dtype=object), fractions(weights), algebra=EXACT)
    for row, power, expected in zip(found.numbers, found.powers, exact, strict=True):
        least = max(map(abs, expected)) * Fraction(1, 10**12)
        for number, value in zip(row, expected, strict=True):
            assert abs(Fraction(number) * Fraction(2) ** int(power) - value) <= least


def fractions(weights) -> list[np.ndarray]:
    """Weights as exact numbers."""
    return [
        np.array([Fraction(float(n)) * Fraction(2) ** int(p) for n, p in w], object)
        for w in weights
    ]


@given(st.floats(-1e4, 1e4))
def test_weights_of_logarithms_have_them(log):
    (weight,) = weights_of_logs(np.array([log]))
    number, power = float(weight["number"]), int(weight["power"])
    assert np.log(number) + power * np.log(2) == pytest.approx(log, abs=1e-9)
    assert 0.4 < number < 2.1


@laws
@given(stretched_networks())
def test_balanced_constants_are_near_one_and_the_same_but_for_scales(both):
    plain, stretched = both
    found = balanced(stretched)
    constants = np.concatenate(found.constant)
    assert tk.degrees_of_freedom(found) == tk.degrees_of_freedom(plain)
    assert (np.abs(np.log2(np.abs(constants[constants != 0]))) <= 17).all()


def test_moderate_constants_stay_as_they_are():
    layers = tk.to_layers(tk.with_skip(tk.topologies.butterfly(8)))
    assert balanced(layers) is layers


SKIP = tk.to_layers(tk.with_skip(tk.topologies.butterfly(4)))


@pytest.mark.skipif(jax.config.read("jax_enable_x64"), reason="64 bits hold all of them")
@pytest.mark.parametrize("size", [1e39, 1.7e308, 1e-39, 5e-324])
def test_constants_beyond_the_numbers_that_train_are_refused(size):
    layers = replace(SKIP, constant=tuple(size * constant for constant in SKIP.constant))
    with pytest.raises(ValueError, match="do not fit the numbers that are computed with, float32"):
        tk.reconstruct(layers, np.eye(4))
    with pytest.raises(ValueError, match="do not fit the numbers that are computed with, float32"):
        SparseLinear(layers, key=jax.random.key(0))


@pytest.mark.skipif(jax.config.read("jax_enable_x64"), reason="numbers of 64 bits hold the product")
def test_products_of_constants_beyond_the_numbers_that_train_are_refused():
    first, fixed = diagonal([1e20, 1e20])
    graph = tk.from_masks([first, np.ones((2, 2)), first], [fixed, np.ones((2, 2), bool), fixed])
    with pytest.raises(ValueError, match="give constants nearer to 1"):
        tk.reconstruct(graph, np.eye(2), solver=Adam(max_steps=5))


def jacobian(layers: tk.Layers, weights: list[np.ndarray]) -> list[np.ndarray]:
    """Its columns as fractions, one for each trainable edge."""
    ones = [np.eye(n, dtype=int).astype(object) for n in (layers.n_in, layers.n_out)]
    before = list(forward(layers, ones[0], weights, algebra=EXACT))
    behind = backward(layers, ones[1], weights, algebra=EXACT)
    return [
        np.outer(before[number][sender], behind[number + 1][receiver]).ravel()
        for number in range(layers.depth)
        for sender, receiver, free in zip(
            layers.senders[number], layers.receivers[number], layers.trainable[number], strict=True
        )
        if free
    ]


def exact_leverage(layers: tk.Layers, seed: int) -> np.ndarray:
    """The diagonal of the projector on the columns, from an orthogonal basis of fractions."""
    weights = fractions(draw_to_scale(layers, np.random.default_rng(seed)))
    basis, diagonal = [], np.zeros(layers.n_in * layers.n_out, int).astype(object)
    for column in jacobian(layers, weights):
        for other, square in basis:
            column = column - other * ((column @ other) / square)
        square = column @ column
        if square:
            basis.append((column, square))
            diagonal = diagonal + column * column / square
    return diagonal.astype(float).reshape(layers.n_in, layers.n_out)


@laws
@given(networks_with_stretched_ends())
def test_leverage_between_stretched_ends_is_that_of_exact_arithmetic(layers):
    expected = exact_leverage(layers, 0)
    assert tk.leverage(layers, n_samples=1) == pytest.approx(expected, abs=1e-6)
    assert expected.sum() == pytest.approx(tk.degrees_of_freedom(layers), abs=1e-9)


@pytest.mark.parametrize("tiny", [1e-20, 1e-100, 1e-300])
def test_leverage_beside_a_tiny_constant_is_that_of_exact_arithmetic(tiny):
    masks = [np.array([[1, tiny], [0, 1], [1, 1]]), np.ones((2, 1)), np.ones((1, 2))]
    free = [np.full(mask.shape, number > 0) for number, mask in enumerate(masks)]
    layers = tk.to_layers(tk.from_masks(masks, free))
    assert tk.leverage(layers, n_samples=1) == pytest.approx(exact_leverage(layers, 0), abs=1e-6)


@laws
@given(layered_networks(max_width=3, max_depth=3))
def test_leverage_of_moderate_constants_is_that_of_exact_arithmetic(layers):
    assert tk.leverage(layers, n_samples=1) == pytest.approx(exact_leverage(layers, 0), abs=1e-6)
