"""Models of PyTorch with topologies inside, pruned ones too."""

import pytest

import topokit as tk
from topokit import networks

torch = pytest.importorskip("torch", reason="torch is not installed: make interop")
pytestmark = pytest.mark.interop

nn, prune = torch.nn, pytest.importorskip("torch.nn.utils.prune")
close = torch.testing.assert_close


def model():
    """Pixels, a convolution that no topology takes the place of, and dense layers."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(16, 32, 1, stride=(2, 1)),
        nn.ReLU(),
        nn.Conv2d(32, 4, 3),
        nn.Flatten(),
        nn.Linear(4 * 2 * 6, 32),
        nn.ReLU(),
        nn.Linear(32, 10, bias=False),
    )


def images():
    return torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(1))


def test_kernels_are_dense_layers_and_pointwise_convolutions():
    assert tk.torch.kernels(model()) == {"0": (16, 32), "4": (48, 32), "6": (32, 10)}


def test_a_rule_takes_every_place_and_the_model_stays():
    dense = model()
    before = [p.clone() for p in dense.parameters()]
    torch.manual_seed(0)
    sparse = tk.torch.sparsify(dense, networks.clos_with(0.5))
    assert tk.torch.kernels(sparse) == {}
    assert [type(layer).__name__ for layer in sparse[::4]] == [
        "SparsePointwiseConv2d",
        "SparseLinear",
    ]
    assert sum(p.numel() for p in sparse.parameters()) < sum(p.numel() for p in dense.parameters())
    assert all(map(torch.equal, before, dense.parameters()))
    sparse(images()).square().sum().backward()
    assert all(p.grad is not None for p in sparse.parameters())
    assert sparse[6].bias is None
    torch.manual_seed(0)
    close(tk.torch.sparsify(dense, networks.clos_with(0.5))(images()), sparse(images()))


def test_names_take_their_places_alone():
    wiring = {"4": tk.topologies.low_rank(48, 32, 4)}
    dense = model().double().eval()
    sparse = tk.torch.sparsify(dense, wiring)
    assert list(tk.torch.kernels(sparse)) == ["0", "6"]
    assert sparse[4].layers[0].weight.dtype == torch.float64
    assert not any(module.training for module in sparse.modules())
    close(sparse[:4](images().double()), dense[:4](images().double()))


@pytest.mark.parametrize("contiguous", [torch.contiguous_format, torch.channels_last], ids=str)
def test_pixels_go_through_as_through_a_convolution(contiguous):
    linear = tk.torch.SparseLinear(tk.topologies.clos(16, 24, 4, 4, 4))
    layer = tk.torch.SparsePointwiseConv2d(linear, stride=(2, 3))
    x = images().contiguous(memory_format=contiguous)
    dense = tk.torch.to_dense(layer)
    close(layer(x), dense(x), rtol=1e-4, atol=1e-5)
    close(layer(x[0]), dense(x[0]), rtol=1e-4, atol=1e-5)
    assert layer(x).is_contiguous()
    assert (layer.in_channels, layer.out_channels) == (dense.in_channels, dense.out_channels)
    assert torch.equal(layer.weight, dense.weight)
    assert torch.equal(layer.bias, dense.bias)
    with pytest.raises(ValueError, match=r"\(..., 16, height, width\); given shape \(3, 8\)"):
        layer(torch.ones(3, 8))


def pruned():
    net = model()
    for place in (0, 4, 6):
        prune.l1_unstructured(net[place], "weight", amount=0.7)
    return net


def test_a_pruned_model_keeps_its_weights_on_edges_and_gets_its_masks_back():
    net = pruned()
    topologies = tk.torch.kernel_topologies(net)
    assert {n: recipe.n_edges for n, recipe in topologies.items()} == {
        name: int(net.get_submodule(name).weight_mask.sum()) for name in topologies
    }
    sparse = tk.torch.sparsify(net, topologies, keep=True)
    close(sparse(images()), net(images()))
    for name in topologies:
        back, whole = tk.torch.to_pruned(sparse.get_submodule(name)), net.get_submodule(name)
        assert torch.equal(back.weight, whole.weight)
        assert torch.equal(back.weight_mask, whole.weight_mask)
        close(back.bias, whole.bias)
    # What is pruned and not replaced is copied as it is.
    close(tk.torch.sparsify(net, {"0": topologies["0"]}, keep=True)(images()), net(images()))


def test_zeros_are_what_is_left_where_a_mask_was_made_permanent():
    net = pruned()
    prune.remove(net[4], "weight")
    assert tk.torch.kernel_topologies(net)["4"] == tk.torch.kernel_topologies(pruned())["4"]


def test_weights_of_a_sparse_layer_are_pruned_by_the_same_tools():
    linear = tk.torch.SparseLinear(tk.topologies.random_regular([8, 6], 4, seed=0))
    prune.l1_unstructured(linear.layers[0], "weight", amount=0.5)
    assert int((linear.weight != 0).sum()) == 12


def test_a_state_dict_of_a_pruned_model_is_a_topology_to_score():
    net = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4))
    prune.l1_unstructured(net[0], "weight", amount=0.5)
    topology = tk.from_weights(net.state_dict())
    assert tk.to_layers(topology).n_edges == 54 + 36
    assert tk.degrees_of_freedom(topology) > 0


class Tied(nn.Module):
    """An embedding whose weights are those of the last layer, and a layer in two places."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)
        self.head.weight = self.embedding.weight
        self.first = self.again = nn.Linear(16, 16)

    def forward(self, words):
        return self.head(self.again(self.first(self.embedding(words)).relu()))


def test_what_is_tied_stays_tied():
    assert tk.torch.kernels(Tied()) == {"first": (16, 16)}
    sparse = tk.torch.sparsify(Tied(), networks.clos_with(0.5))
    assert sparse.first is sparse.again
    assert sparse.head.weight is sparse.embedding.weight
    assert sparse(torch.arange(5)).shape == (5, 20)


def test_layers_whose_weights_others_read_stay():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    assert tk.torch.kernels(layer) == {"linear1": (16, 32), "linear2": (32, 16)}
    sparse, x = tk.torch.sparsify(layer, networks.clos_with(0.6)).eval(), torch.randn(2, 5, 16)
    with torch.no_grad():
        fast = sparse(x)  # by a path of PyTorch that reads `weight`
    close(fast, sparse(x.requires_grad_()), rtol=1e-4, atol=1e-4)
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(16, 16))
    grouped, padded = nn.Conv2d(16, 16, 1, groups=2), nn.Conv2d(16, 16, 1, padding=1)
    assert tk.torch.kernels(nn.Sequential(normed, grouped, padded)) == {}


@pytest.mark.parametrize(
    ("wiring", "keep", "said"),
    [
        (
            {"5": tk.topologies.dense(32, 32)},
            False,
            r"no layer '5'; its layers are \['0', '4', '6'\]",
        ),
        ({"4": tk.topologies.dense(32, 48)}, False, "'4' must have 48 inputs and 32 outputs"),
        (networks.clos_with(0.1), False, "^0: .*least"),
        (networks.clos_with(0.5), True, "'0' cannot keep weights.*keep=True"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(wiring, keep, said):
    with pytest.raises(ValueError, match=said) as caught:
        tk.torch.sparsify(model(), wiring, keep=keep)
    assert "\n" not in str(caught.value)


def test_a_layer_that_lost_everything_is_refused():
    net = nn.Sequential(nn.Linear(3, 2))
    nn.init.zeros_(net[0].weight)
    with pytest.raises(ValueError, match="'0' has no weight left"):
        tk.torch.kernel_topologies(net)


def test_masks_of_cascades_and_constants_are_refused():
    skip = tk.with_skip(tk.topologies.random_regular([8, 8], 3, seed=0))
    for topology in (tk.topologies.butterfly(8), skip):
        with pytest.raises(ValueError, match="take to_dense"):
            tk.torch.to_pruned(tk.torch.SparseLinear(topology))


def twice_the_outputs(_module, _inputs, outputs):
    return 2 * outputs


OWN = {
    "forward_hooks": lambda layer: layer.register_forward_hook(twice_the_outputs),
    "forward_pre_hooks": lambda layer: layer.register_forward_pre_hook(lambda _, x: x),
    "backward_hooks": lambda layer: layer.register_full_backward_hook(lambda *_: None),
    "state_dict_hooks": lambda layer: layer.register_state_dict_post_hook(lambda *_: None),
    "forward": lambda layer: setattr(layer, "forward", torch.sin),
    "scale": lambda layer: layer.register_parameter("scale", nn.Parameter(torch.ones(1))),
    "mean": lambda layer: layer.register_buffer("mean", torch.ones(1)),
    "adapter": lambda layer: layer.add_module("adapter", nn.Identity()),
    "weight_g": nn.utils.weight_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize("own", OWN)
def test_a_layer_with_something_of_its_own_is_refused_or_stays(own, place):
    net = model()
    OWN[own](net[place])
    said = rf"layer '{place}' has .*\b{own}\b.* of its own"
    with pytest.raises(ValueError, match=said) as caught:
        tk.torch.sparsify(net, tk.torch.kernel_topologies(net), keep=True)
    assert "\n" not in str(caught.value)
    others = {k: v for k, v in tk.torch.kernel_topologies(net).items() if k != str(place)}
    if own != "forward":
        close(tk.torch.sparsify(net, others, keep=True)(images()), net(images()))


def test_attributes_go_over_with_a_layer():
    net = pruned()
    net[4].note, net[4].whole = ["a"], (net,)
    sparse = tk.torch.sparsify(net, networks.clos_with(0.5))
    assert sparse[4].note == ["a"]
    assert sparse[4].note is not net[4].note
    assert sparse[4].whole == (sparse,)
    assert tk.torch.kernels(sparse) == {}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("make", [model, pruned])
def test_what_is_frozen_stays_frozen(make, keep):
    net = make()
    net[0].requires_grad_(False)
    net[4].bias.requires_grad_(False)
    sparse = tk.torch.sparsify(net, tk.torch.kernel_topologies(net), keep=keep)
    flags = {name: p.requires_grad for name, p in sparse.named_parameters()}
    frozen = {name for name, learns in flags.items() if not learns}
    assert frozen == {"0.linear.layers.0.weight", "0.linear.bias", "4.bias"}
