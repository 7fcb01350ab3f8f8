"""Training: deterministic, resumed to the same numbers, and careful with its files."""

import os
import signal
import subprocess
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import topokit as tk
from topokit.networks import (
    Epoch,
    clos_with,
    judge,
    load_digits,
    make_dataset,
    mlp,
    prune,
    sparsify,
    train,
    zhu_gupta,
)

EPOCHS = 4
ADAM = optax.adam(1e-2)  # one, for which a step is compiled once
SCRIPT = """
import sys
import jax, optax
from topokit.networks import clos_with, load_digits, mlp, sparsify, train
key = jax.random.key(0)
data = load_digits()
model = sparsify(mlp(data.shape, [64], 10, key=key), clos_with(0.5), key=key)
train(model, data, optimizer=optax.adam(1e-2), epochs=4, batch_size=8, checkpoint=sys.argv[1],
      report=lambda row: print(row.epoch, flush=True))
"""


def model(seed: int = 0):
    key = jax.random.key(seed)
    return sparsify(mlp((1, 8, 8), [64], 10, key=key), clos_with(0.5), key=key)


def run(epochs: int = EPOCHS, **options):
    settings = {"optimizer": ADAM, "batch_size": 8} | options
    return train(settings.pop("of", model()), load_digits(), epochs=epochs, **settings)


def numbers(tree) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def same(a, b) -> None:
    """Equal to the bit, but for wall times."""
    for x, y in zip(numbers(a[::2] + a[3:]), numbers(b[::2] + b[3:]), strict=True):
        np.testing.assert_array_equal(x, y)
    assert [row[:-1] for row in a.epochs] == [row[:-1] for row in b.epochs]


@pytest.fixture(scope="module")
def whole():
    return run()


def test_it_learns(whole) -> None:
    assert whole.epochs[-1].test_accuracy > 0.9
    assert whole.epochs[-1].train_loss < whole.epochs[0].train_loss
    assert judge(whole.model, *load_digits()[2:4])[1] == whole.epochs[-1].test_accuracy


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(whole) -> None:
    same(run(), whole)
    assert run(seed=1).epochs[0].train_loss != whole.epochs[0].train_loss


def test_a_run_in_two_parts_ends_at_the_same_numbers(whole, tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    run(2, checkpoint=path)
    rows: list[Epoch] = []
    same(run(checkpoint=path, report=rows.append), whole)
    assert [row.epoch for row in rows] == [3, 4]
    same(run(checkpoint=path, report=rows.append), whole)
    assert len(rows) == 2, "a finished run returns at once"


def test_a_killed_run_goes_on_to_the_same_numbers(whole, tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    for epochs in (1, 2):
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(epochs):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    same(run(checkpoint=path), whole)
    assert [p.name for p in tmp_path.iterdir() if ".part" not in p.name] == ["run.checkpoint"]


def test_pruned_weights_stay_zero_through_a_training() -> None:
    dense = mlp((1, 8, 8), [32], 10, key=jax.random.key(0))
    schedule = zhu_gupta(0.9, start=50, every=50, times=6)
    result = train(
        dense, load_digits(), optimizer=optax.chain(optax.adam(1e-2), prune(schedule)), epochs=10
    )
    kept = {name: t.n_edges for name, t in tk.networks.kernel_topologies(result.model).items()}
    assert kept == {"layers.1": round(64 * 32 * 0.1), "layers.3": round(32 * 10 * 0.1)}
    assert result.epochs[-1].test_accuracy > 0.8


def ending(function) -> eqx.nn.Sequential:
    return eqx.nn.Sequential([*model().layers, eqx.nn.Lambda(function)])


def test_a_checkpoint_knows_functions_by_what_they_do(tmp_path) -> None:
    path, factors = tmp_path / "run.checkpoint", jnp.arange(10.0)

    def scaled(by):
        return ending(lambda x: x * by + factors)

    run(1, of=scaled(2.0), checkpoint=path)
    run(1, of=scaled(2.0), checkpoint=path)
    for other in (scaled(3.0), ending(lambda x: x + factors), ending(jax.nn.relu)):
        with pytest.raises(ValueError, match="another structure"):
            run(1, of=other, checkpoint=path)
    with pytest.raises(FileNotFoundError, match="there is no folder .*none; make it first"):
        run(1, checkpoint=tmp_path / "none" / "run.checkpoint")


def test_random_keys_go_into_a_checkpoint_too(tmp_path) -> None:
    noise = optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(1)), optax.sgd(0.1))
    path = tmp_path / "run.checkpoint"
    run(1, optimizer=noise, checkpoint=path)
    again, once = run(2, optimizer=noise, checkpoint=path), run(2, optimizer=noise)
    assert again.epochs[-1][2:5] == once.epochs[-1][2:5]


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    run(1, checkpoint=path)
    before = path.read_bytes()
    others: list[dict[str, Any]] = [{"seed": 1}, {"batch_size": 16}, {"of": model(1)}]
    others += [{"of": eqx.nn.Sequential([*model().layers, eqx.nn.Dropout(0.1)])}]
    others += [{"of": ending(lambda x: x * 2.0)}]
    for other in others:
        with pytest.raises(ValueError, match="checkpoint of another training"):
            run(checkpoint=path, **other)
    with pytest.raises(ValueError, match=r"has 1 epochs already; given epochs=0"):
        run(0, checkpoint=path)
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    run(1, checkpoint=path)
    good = path.read_bytes()
    flipped = good[:-300] + bytes([good[-300] ^ 1]) + good[-299:]
    fewer = good.replace(b'"epochs": 1', b'"epochs": 0', 1)
    for damaged in (good[:-300], flipped, good + b"more", fewer):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            run(checkpoint=path)
        assert path.read_bytes() == damaged
    for other in (b"", b"{}\n", b"nonsense", b"\xff\xfe\n", b"[" * 10000):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="no checkpoint"):
            run(checkpoint=path)
        assert path.read_bytes() == other
    with pytest.raises(ValueError, match="is a folder"):
        run(checkpoint=tmp_path)


def test_another_optimizer_state_is_refused(tmp_path) -> None:
    run(1, checkpoint=tmp_path / "run.checkpoint")
    with pytest.raises(ValueError, match="of another optimizer"):
        run(checkpoint=tmp_path / "run.checkpoint", optimizer=optax.sgd(1e-2, momentum=0.9))


def test_a_model_that_does_not_fit_the_data_is_refused() -> None:
    data = load_digits()
    narrow = mlp((1, 8, 8), [32], 7, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"must return 10 logits.* returns shape \(7,\)"):
        train(narrow, data, optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match=r"cannot take an example of digits, of shape \(1, 8, 8\)"):
        train(mlp((5,), [32], 10, key=jax.random.key(0)), data, optimizer=optax.sgd(0.1))
    made, state = eqx.nn.make_with_state(Noisy)(key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"has a state; make it by .*make_with_state"):
        run(of=made)
    with pytest.raises(ValueError, match="cannot take an example"):
        run(of=made, state=3)
    normalized = eqx.tree_at(lambda m: m.layers[2].axis_name, made, "other")
    with pytest.raises(ValueError, match="unbound axis name: other"):
        run(of=normalized, state=state)
    with pytest.raises(ValueError, match="batch_size must be an integer of at most 1437"):
        run(batch_size=5000)


def test_the_loss_is_the_cross_entropy_by_hand() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((7, 5)), rng.integers(0, 3, 7)
    data = make_dataset(x, y, x, y, classes=["a", "b", "c"])
    classifier = mlp((5,), [4], 3, key=jax.random.key(0))
    logits = np.array([classifier(jnp.asarray(row)) for row in data.test_x], float)
    chosen = np.exp(logits)[np.arange(7), y] / np.exp(logits).sum(1)
    loss, accuracy = judge(classifier, data.test_x, data.test_y)
    assert np.isclose(loss, -np.log(chosen).mean())
    assert np.isclose(accuracy, (logits.argmax(1) == y).mean())


def test_every_example_is_seen_once_an_epoch() -> None:
    steps = run(1, batch_size=100).epochs[0].steps
    assert steps == len(load_digits().train_x) // 100


class Noisy(eqx.Module):
    """Dropout, and normalization by means over the batch, in one small model."""

    layers: eqx.nn.Sequential

    def __init__(self, *, key) -> None:
        keys = jax.random.split(key)
        self.layers = eqx.nn.Sequential(
            [
                eqx.nn.Lambda(jnp.ravel),
                eqx.nn.Linear(64, 32, key=keys[0]),
                eqx.nn.BatchNorm(32, axis_name="batch", mode="batch", momentum=0.9),
                eqx.nn.Dropout(0.3),
                eqx.nn.Linear(32, 10, key=keys[1]),
            ]
        )

    def __call__(self, x, state, *, key=None):
        return self.layers(x, state, key=key)


def noisy(epochs: int, **options):
    made, state = eqx.nn.make_with_state(Noisy)(key=jax.random.key(0))
    return run(epochs, of=made, state=state, batch_size=32, **options)


def test_a_state_and_dropout_go_on_after_an_interruption_too(tmp_path) -> None:
    once = noisy(3)
    assert once.epochs[-1].test_accuracy > 0.85
    path = tmp_path / "run.checkpoint"
    noisy(1, checkpoint=path)
    same(noisy(3, checkpoint=path), once)


def test_running_means_are_those_of_the_layer_before() -> None:
    data = load_digits()
    trained = noisy(3, optimizer=optax.sgd(0.0))
    before = trained.model.layers.layers[1]
    sums = jax.vmap(before)(jnp.asarray(data.train_x).reshape(-1, 64))
    index = trained.model.layers.layers[2].batch_state_index
    means, variances = (np.asarray(part) for part in trained.state.get(index)[:2])
    np.testing.assert_allclose(means, sums.mean(0), atol=0.2)
    np.testing.assert_allclose(variances, sums.var(0), rtol=0.5)


def test_a_model_with_dropout_is_judged_without_it() -> None:
    dropping = eqx.nn.Sequential([model(), eqx.nn.Dropout(0.5)])
    trained = run(1, of=dropping)
    assert judge(trained.model, *load_digits()[2:4]) == judge(
        trained.model.layers[0], *load_digits()[2:4]
    )


def test_nothing_is_judged_on_nothing() -> None:
    data = load_digits()
    with pytest.raises(ValueError, match="no examples"):
        judge(model(), data.test_x[:0], data.test_y[:0])


def test_a_loss_that_is_no_number_is_told() -> None:
    with pytest.warns(RuntimeWarning, match="training loss of epoch 1 is nan: take a lower rate"):
        run(1, optimizer=optax.sgd(1e30))
