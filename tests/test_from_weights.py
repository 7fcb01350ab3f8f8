"""Weights from elsewhere: what is not zero is an edge, and what cannot be one is named."""

import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.flax import save_file as save_jax_file
from safetensors.numpy import save_file
from scipy import sparse
from strategies import layered_networks

import topokit as tk
from topokit.files._from_weights import from_weights

networks = layered_networks(trainable=True)


class Tensor:
    """What PyTorch shows of a parameter: no array before it is detached and on the CPU."""

    def __init__(self, array, *, detached=False):
        self.array, self.detached = np.asarray(array), detached
        self.shape = self.array.shape

    def detach(self):
        return Tensor(self.array, detached=True)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if not self.detached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.array(self.array, dtype, copy=copy)


def weighted(layers, seed=0):
    """Matrices (n_in, n_out) with normal weights on the edges of a topology."""
    rng = np.random.default_rng(seed)
    return [np.where(m, rng.standard_normal(m.shape), 0.0) for m in tk.to_masks(layers)]


def state_dict(matrices, tensor: Any = Tensor) -> dict[str, Any]:
    """As PyTorch names and turns them, with what else a network has."""
    named = {}
    for number, matrix in enumerate(matrices):
        named[f"{number}.weight"] = tensor(matrix.T)
        named[f"{number}.bias"] = tensor(np.ones(matrix.shape[1]))
    return named | {"norm.num_batches_tracked": tensor(np.array(3))}


def is_wiring(graph, layers):
    masks = zip(tk.to_masks(graph), tk.to_masks(layers), strict=True)
    return all(np.array_equal(a, b) for a, b in masks)


@given(networks, st.sampled_from([np.asarray, jnp.asarray, Tensor, np.ndarray.tolist]))
def test_a_list_of_matrices_gives_its_wiring_back(layers, kind):
    weights, masks = weighted(layers), tk.to_masks(layers)
    assert is_wiring(from_weights([kind(w) for w in weights], transpose=False), layers)
    assert is_wiring(from_weights([kind(w.T) for w in weights], transpose=True), layers)
    assert is_wiring(from_weights([kind(m) for m in masks], transpose=False), layers)


@given(networks)
def test_a_list_is_read_without_a_word_if_it_has_one_reading(layers):
    """It has two if the last width is the first, unless turning every matrix changes nothing."""
    masks = tk.to_masks(layers)
    turned = [m.T for m in masks]
    chains = all(a.shape[1] == b.shape[0] for a, b in pairwise(turned))
    if chains and not all(map(np.array_equal, masks, turned)):
        with pytest.raises(ValueError, match="transpose=False, or as .* transpose=True; say which"):
            from_weights(masks)
    else:
        assert is_wiring(from_weights(masks), layers)


@given(networks)
def test_a_state_dict_gives_its_wiring_back_and_its_biases_are_passed_over(layers):
    matrices = weighted(layers)
    graph = from_weights(state_dict(matrices), transpose=True)
    assert is_wiring(graph, layers)
    assert tk.to_layers(graph).n_trainable == layers.n_edges
    turned = {f"{n}.weight": Tensor(matrix) for n, matrix in enumerate(matrices)}
    assert is_wiring(from_weights(turned, transpose=False), layers)
    names = [f"{n}.weight" for n in range(layers.depth)]
    backwards = dict(reversed(state_dict(matrices).items()))
    assert is_wiring(from_weights(backwards, names=names, transpose=True), layers)


@given(networks, st.integers(0, 9))
def test_weights_and_masks_of_a_pruning_are_one_array(layers, seed):
    """`x_orig` keeps all numbers, `x_mask` says which count; the unpruned keep their name."""
    rng = np.random.default_rng(seed)
    named = {}
    for n, mask in enumerate(tk.to_masks(layers)):
        if rng.random() < 0.5:
            named[f"{n}.bias"] = Tensor(np.ones(mask.shape[1]))
            named[f"{n}.weight_orig"] = Tensor(rng.standard_normal(mask.T.shape))
            named[f"{n}.weight_mask"] = Tensor(mask.T.astype(float))
        else:
            named[f"{n}.weight"] = Tensor(mask.T * 0.5)
    assert is_wiring(from_weights(named, transpose=True), layers)
    names = [f"{n}.weight" for n in range(layers.depth)]
    assert is_wiring(from_weights(named, names=names, transpose=True), layers)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_file_gives_its_wiring_back(tmp_path, ending):
    layers = tk.topologies.erdos_renyi.layers([8, 7, 6, 5], 0.6, seed=1)
    path = tmp_path / f"weights{ending}"
    arrays = state_dict(weighted(layers), np.ascontiguousarray)
    np.savez(path, **arrays) if ending == ".npz" else save_file(arrays, path)
    names = ["0.weight", "1.weight", "2.weight"]
    for place in (path, str(path)):
        assert is_wiring(from_weights(place, names=names), layers)
        assert is_wiring(from_weights(place), layers), "numbers say the order"


def test_arrays_in_an_npz_file_keep_their_order_and_those_in_safetensors_do_not(tmp_path):
    layers = tk.topologies.erdos_renyi.layers([6, 6, 6, 6], 0.6, seed=1)
    arrays: Any = dict(zip(["z.weight", "y.weight", "x.weight"], weighted(layers), strict=True))
    np.savez(tmp_path / "w.npz", **arrays)
    graph = from_weights(tmp_path / "w.npz", transpose=False, order="given")
    assert is_wiring(graph, layers)
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"names=\['x.weight', 'y.weight', 'z.weight'\], or as"):
        from_weights(tmp_path / "w.safetensors", transpose=False)
    with pytest.raises(ValueError, match="file does not keep the order"):
        from_weights(tmp_path / "w.safetensors", transpose=False, order="given")


def test_brain_floats_in_safetensors_are_read(tmp_path):
    layers = tk.topologies.erdos_renyi.layers([6, 4, 5], 0.6, seed=1)
    arrays: Any = {
        f"{n}.kernel": jnp.asarray(w, jnp.bfloat16) for n, w in enumerate(weighted(layers))
    }
    save_jax_file(arrays, tmp_path / "w.safetensors")
    assert is_wiring(from_weights(tmp_path / "w.safetensors"), layers)


def test_a_matrix_that_scipy_saved_is_read(tmp_path):
    layers = tk.topologies.erdos_renyi.layers([6, 4, 5], 0.6, seed=1)
    paths = [tmp_path / "0.npz", tmp_path / "1.npz"]
    for path, matrix, kind in zip(paths, weighted(layers), ("csr", "bsr"), strict=True):
        sparse.save_npz(path, sparse.coo_array(matrix).asformat(kind))
    assert is_wiring(from_weights(paths), layers)
    first = tk.from_masks([tk.to_masks(layers)[0]])
    assert is_wiring(from_weights(paths[0], transpose=False), tk.to_layers(first))
    with pytest.raises(ValueError, match=r"widths \(4, 6\).*or as widths \(6, 4\)"):
        from_weights(paths[0])


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr"])
def test_indices_beyond_a_sparse_matrix_are_refused(kind):
    matrix: Any = sparse.coo_array(np.eye(3)).asformat(kind)
    matrix.indices = matrix.indices + 1
    with pytest.raises(ValueError, match="cannot be read as an array"):
        from_weights([matrix])


def test_pointwise_convolutions_are_the_matrices_that_they_are():
    layers = tk.topologies.clos.layers(8, 8, 2, 2, 2)
    kernels = {f"{n}.weight": w.T[:, :, None, None] for n, w in enumerate(weighted(layers))}
    assert is_wiring(from_weights(kernels, transpose=True, groups=1), layers)


def test_a_neuron_without_edges_stays_where_it_is():
    weights = [np.array([[1.0, 0, 2], [3, 0, 0]]), np.array([[1.0], [1], [1]])]
    assert tk.to_layers(from_weights(weights)).widths == (2, 3, 1)


def test_the_graph_says_where_it_is_from():
    graph = from_weights([np.eye(2)])
    assert (graph.graph["name"], graph.graph["family"]) == ("from_weights", "from_weights")


@pytest.mark.interop
def test_a_real_state_dict_of_pytorch_gives_its_wiring_back():
    torch = pytest.importorskip("torch")
    prune = pytest.importorskip("torch.nn.utils.prune")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(12, 9), torch.nn.BatchNorm1d(9), torch.nn.Linear(9, 4)
    )
    prune.l1_unstructured(net[0], "weight", amount=0.75)
    named = net.state_dict(keep_vars=True)
    assert named["0.weight_orig"].requires_grad
    first, second = tk.to_masks(from_weights(named))
    assert np.array_equal(first, net[0].weight.detach().numpy().T != 0)
    assert first.sum() == 27
    assert second.all()


square = np.eye(3)
wrong = {
    "nothing": ([], "weights is empty"),
    "a matrix": (square, "weights must be a list"),
    "a vector": ([np.ones(3)], r"weights\[0\] must be a matrix; given shape \(3,\)"),
    "not a number": ([square, square * np.nan], r"weights\[1\] holds NaN"),
    "infinity": ({"weight": square + np.inf}, r"\['weight'\] holds NaN or infinity"),
    "zeros": ({"weight": 0 * square}, r"weights\['weight'\] holds only zeros"),
    "no neurons": ([np.ones((0, 3))], "holds only zeros"),
    "text": ([np.array([["a"]])], "must hold booleans or real numbers; given <U1"),
    "complex": ([square * 1j], "given complex128"),
    "objects": ([np.array([[None]])], "given object"),
    "nameless brain floats": ([square.astype("V2")], "does not name, as .npz does with bfloat16"),
    "ragged": ([[[1.0], [1.0, 2.0]]], r"weights\[0\] cannot be read as an array"),
    "no matrix": ({"bias": np.ones(3), "scale": 1.0}, "holds no matrix; given 'bias', 'scale'"),
    "a convolution": ({"weight": np.ones((6, 1, 5, 5))}, r"shape \(6, 1, 5, 5\), a convolution"),
    "a mask of another shape": (
        {"weight_orig": square, "weight_mask": np.ones((3, 2))},
        r"weight_mask'. has shape \(3, 2\), its weights have \(3, 3\)",
    ),
    "no chain": ([np.ones((3, 2)), np.ones((3, 2))], r"2 receivers but weights\[1\] has 3 senders"),
    "a chain the other way": ([np.ones((2, 3)), np.ones((4, 2))], "they chain with transpose=True"),
    "names of one's own": ({"matrix": np.triu(square + 1)}, "transpose=True, or as .*False"),
    "an output without a path": ({"kernel": np.eye(1, 2)}, "1 of 2 outputs cannot be reached"),
    "a file of another kind": ("weights.pt", "must end in .npz or .safetensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", wrong)
def test_what_is_no_network_is_named(case):
    weights, message = wrong[case]
    with pytest.raises(ValueError, match=message):
        from_weights(weights)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.weight", "c.weight"], r"names\[1\] is 'c.weight', but weights has 'a.weight', 'b"),
        (["a.weight", "a.weight"], r"names\[1\] is 'a.weight' again"),
        ([], "names must be a list"),
        ("a.weight", "names must be a list"),
        (["bias"], r"weights\['bias'\] must be a matrix"),
    ],
)
def test_wrong_names_are_named(names, message):
    weights = {"a.weight": square, "b.weight": square, "bias": np.ones(3)}
    with pytest.raises(ValueError, match=message):
        from_weights(weights, names=names, transpose=False)


def test_names_are_not_for_lists():
    with pytest.raises(ValueError, match="put a list in order"):
        from_weights([square], names=["weight"])


def archive(folder: Path, *, entry: bytes, name: str) -> None:
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("weight.npy", entry)


def damaged(folder: Path) -> dict[str, Path]:
    """Files that end well and hold no arrays."""
    np.savez(folder / "pickled.npz", weight=np.array([[{}]], dtype=object))
    np.savez(folder / "good.npz", weight=square)
    save_file({"weight": square}, folder / "good.safetensors")
    for ending in ("npz", "safetensors"):
        good = (folder / f"good.{ending}").read_bytes()
        (folder / f"empty.{ending}").write_bytes(b"")
        (folder / f"text.{ending}").write_bytes(b"no arrays at all, only words")
        (folder / f"short.{ending}").write_bytes(good[: len(good) // 2])
    good = (folder / "good.npz").read_bytes()
    (folder / "flipped.npz").write_bytes(good.replace(b"NUMPY", b"NOMPY"))
    with zipfile.ZipFile(folder / "good.npz") as file:
        entry = file.read("weight.npy")
    archive(folder, name="shortened.npz", entry=entry[:90])
    archive(folder, name="unclosed.npz", entry=entry.replace(b"}", b" "))
    archive(folder, name="huge.npz", entry=entry.replace(b"(3, 3), }     ", b"(3, 9999999)}"))
    return {p.name: p for p in folder.iterdir() if not p.name.startswith("good")}


def test_a_damaged_file_is_named(tmp_path):
    files = damaged(tmp_path)
    assert len(files) == 11
    for path in files.values():
        with pytest.raises(ValueError, match=rf"{path.name} cannot be read: "):
            from_weights(path)
    assert from_weights(tmp_path / "good.npz").number_of_edges() == 3
    assert from_weights(tmp_path / "good.safetensors").number_of_edges() == 3


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_missing_file_is_a_missing_file(tmp_path, ending):
    with pytest.raises(FileNotFoundError):
        from_weights(tmp_path / f"nothing.{ending}")


def test_safetensors_are_read_without_their_package(tmp_path, monkeypatch):
    save_file({"weight": square}, tmp_path / "w.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert from_weights(tmp_path / "w.safetensors").number_of_edges() == 3
