"""What onnxruntime computes from an exported network is what JAX computes."""

import jax
import numpy as np
import pytest

import topokit as tk
from topokit import networks
from topokit.networks import DepthwiseConv2d, SparseConv2d, SparseLinear

jax2onnx = pytest.importorskip("jax2onnx", reason="jax2onnx is not installed: make interop")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is missing: make interop")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of jax2onnx's own calls
]

KEY = jax.random.key(0)
t = tk.topologies

# Each form of a layer, with and without constants.
LAYERS = {
    "lattices of blocks": SparseLinear(t.clos.layers(16, 8, 4, 2, 4), key=KEY),
    "butterfly": SparseLinear(t.butterfly.layers(8), key=KEY),
    "filled": SparseLinear(t.erdos_renyi.layers([12, 10], 0.6, seed=0), key=KEY),
    "few slots": SparseLinear(t.random_regular.layers([16, 8], 2, seed=0), key=KEY),
    "many slots": SparseLinear(t.random_regular.layers([64, 8], 9, seed=0), key=KEY),
    "constants": SparseLinear(tk.to_layers(tk.with_skip(t.torus((4, 4), 2))), key=KEY),
}
PATCHES = SparseLinear(t.random_regular.layers([18, 3], 4, seed=0), key=KEY)
IMAGES = {
    "padded": SparseConv2d(PATCHES, (3, 3), (1, 1), ((1, 1), (1, 1))),
    "strided": SparseConv2d(PATCHES, (3, 3), (2, 2), ((0, 0), (0, 0))),
    "depthwise": DepthwiseConv2d(2, 3, stride=2, padding=1, key=KEY),
}
MODELS = {name: (layer, (layer.n_in,)) for name, layer in LAYERS.items()}
MODELS |= {name: (layer, (2, 5, 6)) for name, layer in IMAGES.items()}


def check(model, shape, batch, sizes):
    exported = jax2onnx.to_onnx(jax.vmap(model), [(batch, *shape)])
    session = onnxruntime.InferenceSession(exported.SerializeToString())
    name = session.get_inputs()[0].name
    for size in sizes:
        x = np.random.default_rng(size).normal(size=(size, *shape)).astype(np.float32)
        (y,) = session.run(None, {name: x})
        np.testing.assert_allclose(y, jax.vmap(model)(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("model", "shape"), MODELS.values(), ids=MODELS)
def test_a_layer_goes_with_batches_of_any_size(model, shape):
    check(model, shape, "batch", [1, 7])


def test_a_network_of_convolutions_goes_with_its_batch():
    model = networks.sparsify(networks.lenet5(key=KEY), networks.random_with(0.3), key=KEY)
    check(model, (1, 28, 28), 3, [3])
