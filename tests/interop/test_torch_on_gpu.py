"""On a GPU the PyTorch layers compute what they do on the CPU, which has laws of its own."""

import copy

import pytest

import topokit as tk
from topokit import networks

torch = pytest.importorskip("torch", reason="torch is not installed: make interop")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here"),
]

t = tk.topologies
# One of each form, one of several, and one with constants.
TOPOLOGIES = {
    "blocks": t.clos.layers(64, 48, 8, 8, 6),
    "list": t.erdos_renyi.layers([30, 40, 35], 0.2, seed=0),
    "filled": t.erdos_renyi.layers([20, 30], 0.6, seed=0),
    "butterfly": t.butterfly.layers(16),
    "constants": tk.to_layers(tk.with_skip(t.butterfly(16, 6))),
}
each_topology = pytest.mark.parametrize("layers", TOPOLOGIES.values(), ids=TOPOLOGIES)


def made(layers, **options):
    generator = torch.Generator().manual_seed(0)
    module = tk.torch.SparseLinear(layers, generator=generator, **options)
    assert module.bias is not None
    with torch.no_grad():
        module.bias.normal_(generator=generator)
    return module


def batch(layers, *shape, dtype=None):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape or (5,), layers.n_in, generator=generator, dtype=dtype)


def results(module, x):
    """Outputs, and the gradients of something curved by the signals and by every parameter."""
    x = x.detach().clone().requires_grad_()
    y = module(x)
    return [y, *torch.autograd.grad(y.tanh().square().sum(), [x, *module.parameters()])]


def on_gpu(module):
    return copy.deepcopy(module).cuda()


def close(actual, expected, tolerance):
    back = [each.cpu() for each in actual]
    torch.testing.assert_close(back, expected, rtol=tolerance, atol=tolerance)


@each_topology
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str
)
def test_outputs_and_gradients_are_those_of_the_cpu(layers, dtype, tolerance):
    module = made(layers, dtype=dtype)
    moved = on_gpu(module)
    for shape in ((5,), (1,), (2, 3)):
        x = batch(layers, *shape, dtype=dtype)
        found = results(moved, x.cuda())
        assert {each.device.type for each in found} == {"cuda"}
        close(found, results(module, x), tolerance)


@each_topology
def test_a_batch_of_none_goes_through(layers):
    moved, x = on_gpu(made(layers)), batch(layers)[:0].cuda()
    outputs = moved(x)
    assert outputs.shape == (0, layers.n_out)
    outputs.sum().backward()


@each_topology
def test_a_state_goes_there_and_back_bit_for_bit(layers):
    module = made(layers)
    moved = tk.torch.SparseLinear(layers, device="cuda")
    moved.load_state_dict(module.state_dict())
    again = tk.torch.SparseLinear(layers)
    again.load_state_dict(moved.state_dict())
    for state in (moved.state_dict(), again.state_dict(), moved.cpu().state_dict()):
        assert all(torch.equal(state[k].cpu(), v) for k, v in module.state_dict().items())


def test_a_layer_can_be_made_there():
    layers = TOPOLOGIES["list"]
    draws = [
        tk.torch.SparseLinear(
            layers, device="cuda", generator=torch.Generator("cuda").manual_seed(3)
        )
        for _ in range(2)
    ]
    for mine, other in zip(draws[0].parameters(), draws[1].parameters(), strict=True):
        assert mine.device.type == "cuda"
        assert torch.equal(mine, other)
    for layer, radii in zip(draws[0].layers, networks.kaiming(layers), strict=True):
        share = abs(layer.weight.detach().cpu().numpy() / radii).max()
        assert 0.9 < share <= 1 + 1e-6


@each_topology
def test_half_precision_and_autocast_are_close_to_single(layers):
    moved, x = on_gpu(made(layers)), batch(layers).cuda()
    expected = moved(x)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        cast = moved(x)
        cast.float().square().sum().backward()
    for outputs in (copy.deepcopy(moved).bfloat16()(x.bfloat16()), cast):
        assert outputs.dtype == torch.bfloat16
        torch.testing.assert_close(outputs.float(), expected, rtol=0.05, atol=0.05)
    assert all(p.grad.isfinite().all() for p in moved.parameters())


def test_signals_of_another_device_are_refused_in_a_line():
    layers = TOPOLOGIES["butterfly"]
    with pytest.raises(ValueError, match="signals are on cpu, the weights on cuda:0"):
        on_gpu(made(layers))(batch(layers))


@each_topology
def test_ways_out_of_it_compute_the_same(layers):
    module, x = made(layers), batch(layers)
    moved = on_gpu(module)
    close([tk.torch.to_dense(moved)(x.cuda())], [module(x)], 1e-5)
    back = tk.torch.from_equinox(tk.torch.to_equinox(moved))
    assert all(map(torch.equal, back.parameters(), module.parameters()))


def test_a_model_is_made_sparse_there_and_learns():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    sparse = tk.torch.sparsify(model.cuda(), networks.clos_with(0.4))
    assert {p.device.type for p in sparse.parameters()} == {"cuda"}
    optimizer = torch.optim.Adam(sparse.parameters(), lr=0.01, fused=True)
    x, y, losses = torch.randn(50, 64).cuda(), torch.randn(50, 4).cuda(), []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append((sparse(x) - y).square().mean())
        losses[-1].backward()
        optimizer.step()
    assert float(losses[-1].detach()) < 0.7 * float(losses[0].detach())
