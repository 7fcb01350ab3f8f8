"""Arguments of a wrong type to layers of PyTorch and Flax: a line, where nothing checks types."""

import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed: make interop")
pytest.importorskip("flax", reason="flax is not installed: make interop")
pytestmark = pytest.mark.interop

CASES = {
    "tk.torch.sparsify(MODEL.state_dict(), RULE)": "a torch.nn.Module; given a OrderedDict",
    "tk.torch.sparsify(MODEL, .25)": "a rule, such as topokit.networks.clos_with(0.25), or a dict",
    "tk.torch.kernels(3)": "model must be a torch.nn.Module; given a int",
    "tk.torch.to_dense(MODEL)": "one layer of a model; given a Sequential",
    "tk.torch.to_pruned(MODEL[0])": "a SparsePointwiseConv2d, one layer of a model; given a Linear",
    "tk.torch.to_equinox(MODEL[0])": "must be a topokit.torch.SparseLinear; given a Linear",
    "tk.torch.from_equinox(MODEL[0])": "must be a topokit.networks.SparseLinear; given a Linear",
    "tk.torch.SparseLinear(GRAPH, init='kaiming')": "topokit.networks.kaiming; given 'kaiming'",
    "LAYER(np.ones(4))": "signals must be a torch.Tensor; given a ndarray",
    "tk.torch.SparsePointwiseConv2d(LAYER)(np.ones(4))": "images must be a torch.Tensor; given a",
    "tk.flax.SparseLinear(GRAPH, rngs=0)": "a flax.nnx.Rngs, such as nnx.Rngs(0); given a int",
    "tk.networks.sparsify(MODEL, RULE, key=None)": "given one of PyTorch: take topokit.torch.",
    "tk.networks.sparsify(Own(), RULE, key=None)": "given one of PyTorch: take topokit.torch.",
    "tk.networks.kernels(MODEL)": "given one of PyTorch: take topokit.torch.sparsify",
    "tk.networks.n_parameters(MODEL)": "given one of PyTorch: take topokit.torch.sparsify",
}

SCRIPT = """
import numpy as np, topokit as tk
from torch import nn
GRAPH, RULE = tk.topologies.butterfly(4), tk.networks.dense()
MODEL, LAYER = nn.Sequential(nn.Linear(4, 4)), tk.torch.SparseLinear(GRAPH)
class Own(nn.Module):
    pass
for case in {cases!r}:
    try:
        eval(case)
    except ValueError as error:
        print(repr(str(error)))
    except Exception as error:
        print(type(error).__name__)
    else:
        print('nothing was raised')
"""


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    command = [sys.executable, "-c", SCRIPT.format(cases=list(CASES))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(zip(CASES, lines, strict=True))


@pytest.mark.parametrize("call", CASES)
def test_a_wrong_type_is_one_value_error_of_one_line(call, messages):
    assert CASES[call] in messages[call]
    assert "\\n" not in messages[call]
