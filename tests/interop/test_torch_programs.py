"""PyTorch's own machinery takes the layer: its compiler, and processes that share gradients."""

import subprocess
import sys
from collections.abc import Iterator

import jaxtyping
import pytest

import topokit as tk

torch = pytest.importorskip("torch", reason="torch is not installed: make interop")
pytestmark = pytest.mark.interop

t = tk.topologies
FORMS = {
    "blocks and list": t.clos.layers(64, 48, 8, 8, 6),
    "filled": t.erdos_renyi.layers([20, 30], 0.6, seed=0),
    "constants": tk.to_layers(tk.with_skip(t.butterfly(8, 2))),
}
# Run by two processes, each of which sees half of a batch.
HALVES = """
import copy, sys
import torch
import topokit as tk

rank, meeting_place = int(sys.argv[1]), "file://" + sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=meeting_place, rank=rank, world_size=2)
torch.manual_seed(0)
first = tk.torch.SparseLinear(tk.with_skip(tk.topologies.butterfly(8, 5)))
alone = torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Linear(8, 16))
alone = tk.torch.sparsify(alone, tk.networks.low_rank_with(0.7, dense_below=0))
shared = torch.nn.parallel.DistributedDataParallel(copy.deepcopy(alone))
x = torch.randn(6, 8)
alone(x).square().mean().backward()
shared(x[rank::2]).square().mean().backward()
for mine, ours in zip(alone.parameters(), shared.parameters(), strict=True):
    torch.testing.assert_close(mine.grad, ours.grad)
assert not list(shared.buffers()), "what is a buffer is sent before every step"
assert "jax" not in sys.modules
print("equal")
"""


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the type checker of the tests, which PyTorch's compiler would look into."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# PyTorch's compiler does to a function what PyTorch then warns of.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("layers", FORMS.values(), ids=FORMS)
def test_compilation_breaks_no_graph_and_changes_no_number(layers):
    module = tk.torch.SparseLinear(layers)
    torch.compiler.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    for examples in (5, 1):
        x = torch.randn(examples, layers.n_in, requires_grad=True)
        expected, found = (all_of(outputs, module, x) for outputs in (module, compiled))
        torch.testing.assert_close(found, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(x), module(x))


def all_of(outputs, module, x):
    """Outputs and gradients."""
    y = outputs(x)
    return y, *torch.autograd.grad(y.square().sum(), [x, *module.parameters()])


def test_processes_share_the_gradients_of_edges_and_load_no_jax(tmp_path):
    arguments = [sys.executable, "-c", HALVES]
    both = [
        subprocess.Popen(
            [*arguments, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    assert [process.communicate(timeout=120)[0] for process in both] == ["equal\n"] * 2
