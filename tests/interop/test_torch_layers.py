"""The PyTorch layer is the linear map of its matrices, and the Equinox layer's, in every form."""

import copy
import pickle

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit import networks

torch = pytest.importorskip("torch", reason="torch is not installed: make interop")
_edge_sums = pytest.importorskip("topokit.torch._edge_sums")
pytestmark = pytest.mark.interop

t = tk.topologies
EXAMPLES = 5
TOPOLOGIES = {
    "butterfly": t.butterfly.layers(16),
    "parallel butterfly": t.parallel_butterfly.layers(8, 3, 2),
    "clos": t.clos.layers(64, 48, 8, 8, 6),
    "low rank": t.low_rank.layers(12, 20, 8),
    "dense": t.dense.layers(5, 6),
    "monarch": t.monarch.layers(64, 64, 8),
    "radix net": t.radix_net.layers([[8, 8]]),
    "torus": t.torus.layers((3, 4), 2),
    "hypercube": t.hypercube.layers(16, 2),
    "small world": t.small_world.layers(16, 2, 4, 0.3, seed=0),
    "random": t.erdos_renyi.layers([30, 40, 35], 0.2, seed=0),
    "half full": t.erdos_renyi.layers([20, 30], 0.6, seed=0),
    "expander": t.random_regular.layers([20, 24, 16], 6, seed=0),
    "skip butterfly": tk.to_layers(tk.with_skip(t.butterfly(16, 6))),
}
each_topology = pytest.mark.parametrize("layers", TOPOLOGIES.values(), ids=TOPOLOGIES)
# One of each form, and one with constants.
FORMS = {name: TOPOLOGIES[name] for name in ("clos", "random", "half full", "skip butterfly")}
each_form = pytest.mark.parametrize("layers", FORMS.values(), ids=FORMS)


def made(layers, **options):
    """A layer with a bias that is not 0."""
    generator = torch.Generator().manual_seed(0)
    module = tk.torch.SparseLinear(layers, generator=generator, **options)
    with torch.no_grad():
        if module.bias is not None:
            module.bias.normal_(generator=generator)
    return module


def batch(layers, *shape, dtype=None):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape or (EXAMPLES,), layers.n_in, generator=generator, dtype=dtype)


def by_matrices(module, x):
    """The definition: dense matrices with zeros, which autograd differentiates by itself."""
    recipe = module.topology
    rows = zip(module.layers, recipe.widths, recipe.widths[1:], recipe.constant, strict=False)
    for number, (layer, n_in, n_out, constant) in enumerate(rows):
        matrix = torch.zeros(n_in, n_out, dtype=x.dtype)
        senders, receivers = map(torch.tensor, (recipe.senders[number], recipe.receivers[number]))
        free = torch.tensor(recipe.trainable[number])
        matrix[senders, receivers] = torch.tensor(constant, dtype=x.dtype)
        x = x @ matrix.index_put((senders[free], receivers[free]), layer.weight)
    return x + module.bias


def gradients(module, outputs, x):
    """Outputs, and gradients of something curved by the signals and by every parameter."""
    x = x.detach().clone().requires_grad_()
    y = outputs(x)
    return [y, *torch.autograd.grad(y.tanh().square().sum(), [x, *module.parameters()])]


def close(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def forms(module):
    return {type(layer.form).__name__ for layer in module.layers}


@each_topology
def test_outputs_and_gradients_are_those_of_dense_matrices(layers):
    module = made(layers)
    for x in (batch(layers), batch(layers, 1)):
        expected = gradients(module, lambda x: by_matrices(module, x), x)
        close(gradients(module, module, x), expected)


def test_every_form_is_among_these():
    found = set().union(*(forms(made(layers)) for layers in FORMS.values()))
    assert found == {"CompleteBlocks", "EdgeList", "FilledMatrix"}


def test_blocks_of_any_order_are_the_same_map():
    shuffled = np.random.default_rng(0)
    mask = np.kron(np.eye(4, dtype=bool), np.ones((8, 9), bool))
    mask = mask[shuffled.permutation(32)][:, shuffled.permutation(36)]
    module = made(tk.to_layers(tk.from_masks([mask])))
    assert forms(module) == {"CompleteBlocks"}
    x = batch(module.topology)
    close(gradients(module, module, x), gradients(module, lambda x: by_matrices(module, x), x))


@settings(max_examples=25)
@given(layered_networks())
def test_random_networks_have_the_derivatives_of_their_differences(layers):
    module, x = made(layers, dtype=torch.float64), batch(layers, 3, dtype=torch.float64)
    names, parameters = zip(*module.named_parameters(), strict=True)

    def outputs(x, *parameters):
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(module, named, (x,))

    close(module(x), by_matrices(module, x), 1e-12)
    assert torch.autograd.gradcheck(outputs, (x.requires_grad_(), *parameters))


@each_form
def test_second_derivatives_are_those_of_differences(layers):
    layers = tk.to_layers(t.butterfly(4)) if layers is TOPOLOGIES["clos"] else layers
    module, x = made(layers, dtype=torch.float64), batch(layers, 2, dtype=torch.float64)
    layer = module.layers[0]

    def outputs(w, x):
        return layer.form(w, x)

    weights = layer.weights().detach().requires_grad_()
    rows = x.T.contiguous().requires_grad_()
    assert torch.autograd.gradgradcheck(outputs, (weights, rows), fast_mode=True)


@each_topology
def test_the_equinox_layer_computes_the_same_with_the_same_bits(layers):
    module = made(layers)
    linear, x = tk.torch.to_equinox(module), batch(layers)
    expected = torch.tensor(np.array(jax.vmap(linear)(x.numpy())))
    close(module(x).detach(), expected)
    again = tk.torch.from_equinox(linear)
    assert again.topology == layers
    assert same_state(again, module)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_bits_go_to_equinox_and_back_in_every_type(dtype):
    module = made(TOPOLOGIES["skip butterfly"], dtype=dtype)
    linear = tk.torch.to_equinox(module)
    assert linear.bias is not None
    assert str(linear.bias.dtype) == str(dtype).removeprefix("torch.")
    assert same_state(tk.torch.from_equinox(linear), module)


def test_what_jax_would_round_is_refused():
    if jax.config.read("jax_enable_x64"):
        pytest.skip("JAX keeps double precision here")
    with pytest.raises(ValueError, match="jax_enable_x64"):
        tk.torch.to_equinox(made(TOPOLOGIES["dense"], dtype=torch.float64))


def test_files_of_equinox_are_state_dicts(tmp_path):
    module = made(TOPOLOGIES["skip butterfly"])
    linear = tk.torch.to_equinox(module)
    networks.write_weights(linear, tmp_path / "layer.npz")
    stored = {name: torch.tensor(array) for name, array in np.load(tmp_path / "layer.npz").items()}
    assert stored.keys() == module.state_dict().keys()
    other = tk.torch.SparseLinear(module.topology)
    other.load_state_dict(stored)
    assert same_state(other, module)


def same_state(module, other):
    pairs = module.state_dict().items(), other.state_dict().items()
    return all(m == n and torch.equal(a, b) for (m, a), (n, b) in zip(*pairs, strict=True))


@each_form
def test_parameters_and_gradients_are_one_number_an_edge(layers):
    module = made(layers)
    module(batch(layers)).sum().backward()
    sizes = [parameter.grad.numel() for parameter in module.parameters()]
    assert sum(sizes) == layers.n_trainable + layers.n_out


def test_first_weights_are_those_of_the_rule_and_of_the_seed():
    layers = TOPOLOGIES["expander"]
    torch.manual_seed(3)
    first = tk.torch.SparseLinear(layers)
    torch.manual_seed(3)
    assert same_state(first, tk.torch.SparseLinear(layers))
    for layer, radii in zip(first.layers, networks.kaiming(layers), strict=True):
        share = layer.weight.detach().numpy() / radii
        assert abs(share).max() <= 1
        assert abs(share).max() > 0.9
    assert first.bias is not None
    assert not first.bias.any()
    exact = tk.torch.SparseLinear(layers, init=lambda _: [np.zeros(s.size) for s in layers.senders])
    assert not any(parameter.any() for parameter in exact.parameters())


@each_form
def test_copies_and_pickles_and_states_compute_the_same(layers):
    module, x = made(layers), batch(layers)
    other = tk.torch.SparseLinear(layers)
    other.load_state_dict(module.state_dict())
    for same in (other, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(same(x), module(x))


def test_a_state_of_another_wiring_is_refused_in_a_line():
    layers = [t.random_regular.layers([12, 12], 3, seed=seed) for seed in (0, 1)]
    states = [tk.torch.SparseLinear(each).state_dict() for each in layers]
    with pytest.raises(RuntimeError, match=r"layers\.0\.senders are of another wiring"):
        tk.torch.SparseLinear(layers[0]).load_state_dict(states[1])
    plain = {name: array for name, array in states[1].items() if name.endswith(("weight", "bias"))}
    with pytest.raises(RuntimeError, match=r'Missing key.*"layers\.0\.senders"'):
        tk.torch.SparseLinear(layers[0]).load_state_dict(plain)
    other = tk.torch.SparseLinear(layers[0])
    other.load_state_dict(plain, strict=False)
    assert torch.equal(other.layers[0].weight, states[1]["layers.0.weight"])


def test_a_layer_made_without_memory_takes_its_weights_later():
    module = made(TOPOLOGIES["skip butterfly"])
    with torch.device("meta"):
        empty = tk.torch.SparseLinear(module.topology)
    filled = empty.to_empty(device="cpu")
    filled.load_state_dict(module.state_dict())
    x = batch(module.topology)
    assert torch.equal(filled(x), module(x))


@each_form
def test_half_precision_and_autocast_are_close_to_single(layers):
    module, x = made(layers), batch(layers)
    expected = module(x)
    half = copy.deepcopy(module).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = module(x)
        cast.float().square().sum().backward()
    for outputs in (half(x.bfloat16()), cast):
        assert outputs.dtype == torch.bfloat16
        close(outputs.float(), expected, 0.05)
    assert {p.grad.dtype for p in module.parameters()} == {torch.float32}
    cast_gradients = [p.grad for p in module.parameters()]
    rounded = gradients_of_squares(module, x)
    for ours, theirs in zip(cast_gradients, rounded, strict=True):
        close(ours, theirs, 0.05 * float(theirs.abs().max()))


def gradients_of_squares(module, x):
    return torch.autograd.grad(by_matrices(module, x).square().sum(), list(module.parameters()))


def test_products_of_rows_are_the_same_by_either_way():
    ends, senders = torch.tensor([0, 2, 2, 5]).int(), torch.tensor([0, 3, 1, 2, 3]).int()
    x, y = torch.randn(4, 700), torch.randn(3, 700)
    expected = (x[senders] * y[torch.tensor([0, 0, 2, 2, 2])]).sum(1)
    # The second is taken on other devices than the CPU.
    for products in (_edge_sums.sampled_products, _edge_sums.bag_products):
        close(products(x, y, ends, senders), expected, 1e-4)


# Ways by which weights come to a device.
MOVES = {
    "made there": lambda module, there: tk.torch.SparseLinear(module.topology, device=there),
    "to": lambda module, there: module.to(there),
    "to, in half": lambda module, there: module.half().to(there).float(),
    "copied": lambda module, there: copy.deepcopy(copy.deepcopy(module).to(there)),
    "inside a model": lambda module, there: torch.nn.Sequential(module).to(there)[0],
    "without memory": lambda module, there: module.to("meta").to_empty(device=there),
    "assigned": lambda module, there: assigned(module, there),
    "as the default": lambda module, there: made_by_default(module, there),
    "by hand": lambda module, there: moved_by_hand(module, there),
    "in place of a dense layer": lambda module, there: sparsified(module, there),
}


def assigned(module, there):
    ends = [name for name in module.state_dict() if name.endswith(("senders", "receivers"))]
    given = module.state_dict().items()
    state = {name: value if name in ends else value.to(there) for name, value in given}
    module.load_state_dict(state, assign=True)
    return module


def made_by_default(module, there):
    with torch.device(there):
        return tk.torch.SparseLinear(module.topology)


def moved_by_hand(module, there):
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, name, torch.nn.Parameter(parameter.detach().to(there)))
    return module


def sparsified(module, there):
    dense = torch.nn.Linear(module.in_features, module.out_features, device=there)
    return tk.torch.sparsify(torch.nn.Sequential(dense), {"0": module.topology})[0]


@each_form
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_index_arrays_are_where_the_weights_are(monkeypatch, layers, move):
    """The device "meta" plays a GPU, to which arrays follow."""
    monkeypatch.setattr("topokit.torch._index_arrays.NUMBERLESS", "none")
    there = torch.device("meta")
    moved = move(tk.torch.SparseLinear(layers), there)
    assert {each.device for each in moved.parameters()} == {there}
    moved.weight.square().sum().backward()  # through all layers and back
    arrays = [getattr(part, n) for part in moved.modules() for n in getattr(part, "_kept", ())]
    assert {each.device for each in arrays} <= {there}


@each_form
def test_a_batch_of_any_axes_and_of_none(layers):
    module, x = made(layers), batch(layers, 2, 3)
    close(module(x)[1, 2], module(x[1, 2]))
    assert module(x[:0]).shape == (0, 3, layers.n_out)
    module(x[:0]).sum().backward()
    assert module(x).is_contiguous()


@each_form
def test_the_dense_layer_of_a_layer_computes_the_same(layers):
    module, x = made(layers), batch(layers)
    dense = tk.torch.to_dense(module)
    close(dense(x), module(x))
    assert dense.weight.is_leaf
    assert module.bias is not None
    assert dense.bias.data_ptr() != module.bias.data_ptr()


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        (lambda: torch.ones(3, 15), r"16 features along their last axis; given shape \(3, 15\)"),
        (lambda: torch.ones(()), r"given shape \(\)"),
        (lambda: torch.ones(16, dtype=torch.int64), "torch.int64, the weights of torch.float32"),
        (lambda: torch.ones(16, dtype=torch.bfloat16), r"torch\.autocast"),
        (lambda: torch.ones(16, device="meta"), "signals are on meta"),
    ],
)
def test_signals_that_do_not_fit_are_refused_in_a_line(signals, said):
    with pytest.raises(ValueError, match=said) as caught:
        made(TOPOLOGIES["butterfly"])(signals())
    assert "\n" not in str(caught.value)


def test_weights_are_real_numbers():
    with pytest.raises(ValueError, match=r"floating point; given torch\.int32"):
        tk.torch.SparseLinear(TOPOLOGIES["dense"], dtype=torch.int32)
