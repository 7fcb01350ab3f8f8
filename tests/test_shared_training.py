"""A training shared by devices is that of one, and goes on where it was cut off."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from many_devices import on_devices

from topokit import devices, networks

WORKERS, EPOCHS, BATCH = 4, 3, 8
REDUCTIONS = {
    "plain": None,
    "ternary": devices.terngrad(),
    "bfloat16": devices.averaged_bfloat16(),
    "int8": devices.averaged_int8(),
}
ADAM = optax.adam(1e-2)


class Normed(eqx.Module):
    """A sparse layer between dropout and batch normalization: with keys, and with a state."""

    dropout: eqx.nn.Dropout
    first: networks.SparseLinear
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self, *, key: jax.Array) -> None:
        """Take a key for the first weights."""
        layers = networks.clos_with(0.8)(16, 16)
        self.dropout = eqx.nn.Dropout(0.25)
        self.first = networks.SparseLinear(layers, key=key)
        self.norm = eqx.nn.BatchNorm(16, "batch", mode="batch")
        self.last = eqx.nn.Linear(16, 3, key=key)

    def __call__(self, x: jax.Array, state: Any, *, key: jax.Array | None = None) -> Any:
        """Take an example and the state."""
        x, state = self.norm(self.first(self.dropout(x, key=key)), state)
        return self.last(jax.nn.relu(x)), state


def toy() -> networks.Dataset:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((44, 16)).astype(np.float32)
    y = x[:, :3].argmax(1)
    return networks.make_dataset(x[:40], y[:40], x[40:], y[40:])


def without_norm(model: Normed) -> eqx.Module:
    return eqx.nn.Sequential([model.dropout, model.first, eqx.nn.Lambda(jax.nn.relu), model.last])


def trained(reduction: Any, given: Any, **more: Any) -> tuple[list[np.ndarray], list[float]]:
    """The weights and the losses, of a model with dropout."""
    model = without_norm(eqx.nn.make_with_state(Normed)(key=jax.random.key(0))[0])
    shared = {} if given is None else {"devices": given, "reduction": reduction}
    found = networks.train(
        model, toy(), optimizer=ADAM, batch_size=BATCH, **{"epochs": EPOCHS, **shared, **more}
    )
    weights = jax.tree.leaves(eqx.filter(found.model, eqx.is_inexact_array))
    assert all(len(weight.devices()) == 1 for weight in weights)
    return [np.asarray(weight) for weight in weights], [row.train_loss for row in found.epochs]


def cut_off(reduction: Any) -> tuple[list[np.ndarray], list[float]]:
    """The same by way of a checkpoint after an epoch, with which other devices do not go on."""
    with TemporaryDirectory() as folder:
        held = {"checkpoint": Path(folder) / "run", "settings": {"optimizer": "adam"}}
        trained(reduction, jax.devices(), epochs=1, **held)
        others = {
            "devices is '4 x cpu', here '2 x cpu'": (reduction, jax.devices()[:2]),
            "": (None, None),
            "reduction.": (devices.terngrad(seed=3), jax.devices()),
        }
        for said, other in others.items():
            with pytest.raises(ValueError, match=f"checkpoint of another training: {said}"):
                trained(*other, **held)
        return trained(reduction, jax.devices(), **held)


def with_means() -> tuple[Any, Any]:
    """The state of a model with means over batches, on one device and on several."""
    model, state = eqx.nn.make_with_state(Normed)(key=jax.random.key(0))
    held = {"optimizer": optax.sgd(0.0), "state": state, "epochs": 1, "batch_size": 36}
    model = eqx.tree_at(lambda m: m.dropout.p, model, 0.0)
    found = (networks.train(model, toy(), **held, devices=d) for d in (None, jax.devices()))
    return tuple(jax.device_get(jax.tree.leaves(eqx.filter(f.state, eqx.is_array))) for f in found)


def found_on_workers() -> dict[str, Any]:
    alone = trained(None, None)
    shared = {name: trained(reduction, jax.devices()) for name, reduction in REDUCTIONS.items()}
    resumed = {name: cut_off(REDUCTIONS[name]) for name in ("plain", "ternary")}
    return {"alone": alone, **shared, "resumed": resumed, "means": with_means()}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return on_devices(WORKERS, found_on_workers)


def far(one: Any, other: Any) -> float:
    """The largest difference of any two weights."""
    return max(np.abs(a - b).max() for a, b in zip(one[0], other[0], strict=True))


def test_plain_training_is_that_of_one_device(found):
    assert far(found["plain"], found["alone"]) < 1e-5
    assert np.allclose(found["plain"][1], found["alone"][1], rtol=1e-5)


@pytest.mark.parametrize("name", ["ternary", "bfloat16", "int8"])
def test_what_is_sent_in_fewer_bits_trains_too(name, found):
    _, losses = found[name]
    assert losses[-1] < losses[0]
    assert far(found[name], found["alone"]) > 1e-5


@pytest.mark.parametrize("name", ["plain", "ternary"])
def test_a_shared_training_goes_on_to_the_same_bits(name, found):
    whole, resumed = found[name], found["resumed"][name]
    assert far(whole, resumed) == 0
    assert whole[1] == resumed[1]


def test_means_over_a_batch_are_the_means_of_those_of_the_devices(found):
    """With equal parts the mean of a layer's outputs is that of all; variances are each its own."""
    alone, shared = found["means"]
    close = [np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(alone, shared, strict=True)]
    assert any(close)
    assert not all(close)


CPUS = [Mock(spec=jax.Device, platform="cpu", device_kind="cpu") for _ in range(3)]
WRONG = {
    "batch_size must be a multiple of the 3 devices that share it; given 8": {"devices": CPUS},
    "devices must be at least two": {"devices": CPUS[:1]},
    "give devices=jax.devices.. too": {"reduction": devices.averaged()},
}


@pytest.mark.parametrize("message", WRONG)
def test_devices_that_cannot_share_a_batch_are_refused(message):
    model = networks.mlp((16,), [4], 3, key=jax.random.key(0))
    with pytest.raises(ValueError, match=message):
        networks.train(model, toy(), optimizer=ADAM, batch_size=BATCH, **WRONG[message])
