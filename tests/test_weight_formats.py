"""Weights in the formats that people have: the right network, or a question that says the cure.

What is right is what the module computes (`frameworks`).
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest
from frameworks import CASES, is_network, probed, thin

from topokit.files._from_weights import from_weights


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_right_or_the_question_names_what_settles_it(name: str) -> None:
    case = CASES[name]
    masks = probed(case.layers)
    graph, question = answered(case.weights)
    if graph is None:
        assert case.settles
        assert any(word in question for word in case.asks)
    else:
        assert not case.refused
        assert is_network(graph, masks)
    assert is_network(from_weights(case.weights, **case.settles), masks)


# What no widths tell.
ASKED = ("attributes without", "grouped", "pointwise", "transposed", "sparsifier", "two copies")


@pytest.mark.parametrize("name", [n for n in CASES if n.endswith(", telling")])
def test_widths_that_differ_are_understood_without_a_word(name: str) -> None:
    asked = any(word in name for word in ASKED)
    assert (answered(CASES[name].weights)[0] is None) == asked


def answered(weights: Any) -> tuple[nx.DiGraph | None, str]:
    """The network, or the question."""
    try:
        return from_weights(weights), ""
    except ValueError as question:
        return None, str(question)


def torch_modules(torch: Any) -> dict[str, tuple[Sequence[Any], Mapping[str, Any]]]:
    """Real layers, by what was done to them, and what has to be said beside `transpose=True`."""
    nn, utils = torch.nn, torch.nn.utils
    from_parametrizations = utils.parametrizations

    def linears(change: Callable[[Any], Any] = lambda layer: layer, **options: Any) -> list[Any]:
        return [change(nn.Linear(a, b, **options)) for a, b in ((6, 5), (5, 5), (5, 6))]

    def pruned(layer: Any) -> Any:
        utils.prune.l1_unstructured(layer, "weight", amount=0.3)
        return layer

    def finished(layer: Any) -> Any:
        return utils.prune.remove(pruned(layer), "weight")

    def sparse_linear(layout: str) -> Callable[[Any], Any]:
        def change(layer: Any) -> Any:
            finished(layer)
            layer.weight = nn.Parameter(getattr(layer.weight.detach(), layout)(), False)
            return layer

        return change

    class Masked(nn.Module):
        def __init__(self, shape: Sequence[int]) -> None:
            super().__init__()
            self.register_buffer("mask", torch.rand(shape) < 0.7)

        def forward(self, weight: Any) -> Any:
            return weight * self.mask

    def parametrized(layer: Any) -> Any:
        utils.parametrize.register_parametrization(layer, "weight", Masked(layer.weight.shape))
        return layer

    sparsifier = importlib.import_module("torch.ao.pruning").WeightNormSparsifier
    squashed = nn.Sequential(*linears())
    chosen = sparsifier(sparsity_level=0.4, sparse_block_shape=(1, 1))
    chosen.prepare(squashed, [{"tensor_fqn": f"{n}.weight"} for n in range(3)])
    chosen.step()
    chosen.squash_mask()
    convolutions = [nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(4, 4, 1, groups=2)]
    return {
        "pruned": (linears(pruned), {}),
        "pruned for good": (linears(finished), {}),
        "without biases": (linears(finished, bias=False), {}),
        "weight norm": (linears(from_parametrizations.weight_norm), {}),
        "spectral norm": (linears(from_parametrizations.spectral_norm), {}),
        "weight norm of the pruned": (
            linears(lambda layer: from_parametrizations.weight_norm(finished(layer))),
            {},
        ),
        "a mask as a parametrization": (linears(parametrized), {}),
        "squashed sparsifier": (list(squashed), {}),
        "half": (linears(lambda layer: finished(layer).half()), {}),
        "brain floats": (linears(lambda layer: finished(layer).bfloat16()), {}),
        "COO": (linears(sparse_linear("to_sparse_coo")), {}),
        "CSR": (linears(sparse_linear("to_sparse_csr")), {}),
        "CSC": (linears(sparse_linear("to_sparse_csc")), {}),
        "pointwise": ([nn.Conv1d(6, 4, 1), nn.Conv1d(4, 2, 1)], {"groups": 1}),
        "grouped": (convolutions, {"groups": 2}),
    }


def signal(torch: Any, layer: Any) -> np.ndarray:
    """What a signal at each sender of a real layer changes at its receivers."""
    convolved = hasattr(layer, "kernel_size")
    n = layer.in_channels if convolved else layer.in_features
    kind = torch.float32 if convolved or layer.bias is None else layer.bias.dtype
    signals = torch.eye(n, dtype=kind)
    signals = signals.reshape(n, n, *[1] * len(layer.kernel_size)) if convolved else signals
    with torch.no_grad():
        if layer.weight.layout != torch.strided:
            return np.array([(layer.weight @ s[:, None]).flatten().numpy() != 0 for s in signals])
        rows = [layer(s[None]) - layer(0 * s[None]) for s in signals]
    return np.array([row.float().flatten().numpy() != 0 for row in rows])


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")  # What PyTorch says of its own plans.
def test_real_state_dicts_of_pytorch_are_what_their_modules_compute() -> None:
    torch = pytest.importorskip("torch")
    importlib.import_module("torch.nn.utils.prune")
    torch.manual_seed(0)
    for name, (layers, says) in torch_modules(torch).items():
        truth = [signal(torch, layer.eval()) for layer in layers]
        for keep in (False, True):
            state = torch.nn.Sequential(*layers).state_dict(keep_vars=keep)
            graph = from_weights(state, transpose=True, **says)
            assert is_network(graph, truth), name


def test_masks_of_ones_own_multiply_the_weights() -> None:
    rng = np.random.default_rng(0)
    weights = {"a": rng.standard_normal((3, 5)), "b": rng.standard_normal((5, 2))}
    masks = {"a": thin(rng, 3, 5) != 0, "b": thin(rng, 5, 2) != 0}
    truth = probed([(len(w), lambda x, m=masks[n] * w: x @ m) for n, w in weights.items()])
    tree = {n: {"kernel": w, "bias": np.ones(w.shape[1])} for n, w in weights.items()}
    tree_of_masks = {n: {"kernel": m, "bias": None} for n, m in masks.items()}
    assert is_network(from_weights(tree, masks=tree_of_masks), truth)
    assert is_network(from_weights([*weights.values()], masks=[*masks.values()]), truth)
    both = weights | {f"keep_{n}": m for n, m in masks.items()}
    named = {n: f"keep_{n}" for n in masks}
    assert is_network(from_weights(both, names=["a", "b"], masks=named, transpose=False), truth)
    tables = {"x.table": weights["a"], "x.table_mask": masks["a"], "y.weight": weights["b"]}
    said = {"names": ["x.table", "y.weight"], "masks": {"y.weight": masks["b"]}}
    assert is_network(from_weights(tables, transpose=False, **said), truth)
    whole = [np.ones((3, 5)), np.ones((5, 2))]
    unmasked = from_weights(
        tree | {"mask": {"a": {"kernel": masks["a"]}}}, masks={"a/kernel": None}
    )
    assert is_network(unmasked, whole)


# Layers, senders first, that chain as given and may be a tree as well.
BRANCHES = {
    "two outputs of a trunk": {"trunk": (8, 16), "cls": (16, 16), "bbox": (16, 1)},
    "policy and value": {"trunk": (8, 16), "p": (16, 16), "v": (16, 1)},
    "actor and critic": {
        "actor.0": (8, 64), "actor.2": (64, 8), "critic.0": (8, 64), "critic.2": (64, 1)
    },
    "pi and v": {"pi.0": (4, 8), "pi.2": (8, 4), "v.0": (4, 8), "v.2": (8, 1)},
    "two encoders": {"image.encoder.0": (6, 5), "image.encoder.2": (5, 6), "text.encoder": (6, 4)},
    "user and item": {"user.0": (6, 3), "user.1": (3, 6), "item.0": (6, 3), "item.1": (3, 6)},
    "numbered modules": {
        "mlp/~/linear_0": (4, 8), "mlp/~/linear_1": (8, 4), "mlp_1/~/linear_0": (4, 1)
    },
}  # fmt: skip


@pytest.mark.parametrize("torch", [True, False])
@pytest.mark.parametrize("name", BRANCHES)
def test_layers_that_can_be_branches_are_a_chain_only_if_it_is_said(
    name: str, *, torch: bool
) -> None:
    rng = np.random.default_rng(0)
    arrays = {n: thin(rng, *shape) for n, shape in BRANCHES[name].items()}
    weights: dict[str, Any] = {f"{n}/kernel": w for n, w in arrays.items()}
    if torch:
        weights = {f"{n}.weight": w.T for n, w in arrays.items()}
        weights |= {f"{n}.bias": np.ones(w.shape[1]) for n, w in arrays.items()}
    graph, question = answered(weights)
    assert graph is None
    assert 'order="given"' in question
    assert is_network(from_weights(weights, order="given"), [w != 0 for w in arrays.values()])


@pytest.mark.parametrize("widths", [*product((2, 3, 4), repeat=4)])
def test_a_chain_without_a_word_is_the_only_tree_of_its_layers(widths: tuple[int, ...]) -> None:
    shapes = [*zip(widths, widths[1:], strict=False)]
    layers = zip("abc", shapes, strict=True)
    graph, _ = answered({n: {"kernel": np.ones(shape)} for n, shape in layers})
    assert (graph is not None) == (len(trees(shapes)) == 1)


def trees(shapes: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """For each layer the one that feeds it, -1 for the inputs, in all ways that fit."""
    places = range(-1, len(shapes))
    return [t for t in product(places, repeat=len(shapes)) if is_tree(t, shapes)]


def is_tree(feeders: Sequence[int], shapes: Sequence[tuple[int, int]]) -> bool:
    inputs = {shapes[n][0] for n, feeder in enumerate(feeders) if feeder < 0}
    fed = {-1}
    for _ in feeders:
        fed |= {n for n, feeder in enumerate(feeders) if feeder in fed}
    fits = all(f < 0 or shapes[f][1] == shapes[n][0] for n, f in enumerate(feeders))
    return fits and len(inputs) == 1 and fed == {-1, *range(len(shapes))}


def test_square_layers_lie_as_the_others_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    arrays = [thin(rng, *shape) for shape in ((4, 4), (4, 4), (4, 3))]
    named = {f"{2 * n}.weight": w.T for n, w in enumerate(arrays)}
    biases = {f"{2 * n}.bias": np.ones(w.shape[1]) for n, w in enumerate(arrays)}
    for weights in (named, named | biases):
        assert is_network(from_weights(weights), [w != 0 for w in arrays])
    del biases["0.bias"], biases["2.bias"]
    graph, question = answered(named | biases)
    assert graph is None
    assert "transpose=[" in question
