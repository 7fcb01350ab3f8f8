"""Training: deterministic, resumed to the same numbers, and careful with its files."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
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
    Metrics,
    clos_with,
    evaluate,
    load_digits,
    make_dataset,
    mlp,
    prune,
    sparsify,
    train,
    train_from_seed,
    zhu_gupta,
)
from topokit.networks._checkpoint import FORMAT, _sealed

EPOCHS = 4
DIGITS = load_digits()
ADAM = optax.adam(1e-2)  # one, for which a step is compiled once
SCRIPT = """
import sys
import jax, optax
from topokit.networks import clos_with, load_digits, mlp, sparsify, train
key = jax.random.key(0)
data = load_digits()
model = sparsify(mlp(data.shape, [64], 10, key=key), clos_with(0.5), key=key)
train(model, data, optimizer=optax.adam(1e-2), epochs=4, batch_size=8, checkpoint=sys.argv[1],
      settings={"optimizer": ["adam", 1e-2]}, callback=lambda row, *_: print(row.epoch, flush=True))
"""


def model(seed: int = 0):
    key = jax.random.key(seed)
    return sparsify(mlp((1, 8, 8), [64], 10, key=key), clos_with(0.5), key=key)


def run(epochs: int = EPOCHS, **options):
    given = {"optimizer": ADAM, "batch_size": 8, "settings": {"optimizer": ["adam", 1e-2]}}
    given |= options
    return train(given.pop("of", model()), given.pop("data", DIGITS), epochs=epochs, **given)


def numbers(tree) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def same(a, b) -> None:
    """Equal to the bit, but for wall times."""
    for x, y in zip(
        numbers((a.model, a.opt_state, a.state)),
        numbers((b.model, b.opt_state, b.state)),
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)
    rows, others = ([replace(row, seconds=0.0) for row in one.epochs] for one in (a, b))
    assert rows == others
    assert a.test == b.test


@pytest.fixture(scope="module")
def whole():
    return run()


def test_it_learns(whole) -> None:
    last = whole.epochs[-1]
    assert whole.test.accuracy > 0.9
    assert last.train_loss < whole.epochs[0].train_loss
    assert evaluate(whole.model, DIGITS.test_x, DIGITS.test_y) == whole.test
    validated = evaluate(whole.model, DIGITS.validation_x, DIGITS.validation_y)
    assert validated == Metrics(last.validation_loss, last.validation_accuracy)


def test_convolutions_are_trained_in_double_precision_where_they_have_it() -> None:
    part = make_dataset(DIGITS.train_x[:40], DIGITS.train_y[:40], DIGITS.test_x, DIGITS.test_y)
    with jax.enable_x64(True):
        key = jax.random.key(0)
        layers = [eqx.nn.Conv2d(1, 10, 8, key=key), eqx.nn.Lambda(jnp.ravel)]
        found = run(1, of=eqx.nn.Sequential(layers), data=part)
    assert {array.dtype for array in numbers(found.model)} == {np.dtype(float)}
    assert np.isfinite(found.epochs[0].train_loss)


def test_without_a_validation_part_there_is_nothing_to_report_of_it() -> None:
    rows = run(1, data=load_digits(validation=0)).epochs
    assert rows[0].validation_loss is rows[0].validation_accuracy is None
    assert rows[0].steps == 1437 // 8


def test_the_test_part_is_looked_at_once_and_in_the_end(monkeypatch) -> None:
    looks = []

    def looked(_, x, y, *, state=None):  # noqa: ARG001
        looks.append(len(x))
        return Metrics(0.0, 0.0)

    monkeypatch.setattr("topokit.networks._train.evaluate", looked)
    assert run(2).test == Metrics(0.0, 0.0)
    assert looks == [144, 144, 360]


def test_a_callback_sees_the_model_and_its_state_after_each_epoch() -> None:
    seen: list[tuple] = []
    done = noisy(2, callback=lambda *given: seen.append(given))
    assert [row for row, *_ in seen] == list(done.epochs)
    for row, made, state in seen:
        found = evaluate(made, DIGITS.validation_x, DIGITS.validation_y, state=state)
        assert found == Metrics(row.validation_loss, row.validation_accuracy)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(whole) -> None:
    same(run(), whole)
    assert run(seed=1).epochs[0].train_loss != whole.epochs[0].train_loss


def test_a_run_in_two_parts_ends_at_the_same_numbers(whole, tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    run(2, checkpoint=path)
    rows: list[Epoch] = []
    same(run(checkpoint=path, callback=lambda row, *_: rows.append(row)), whole)
    assert [row.epoch for row in rows] == [3, 4]
    same(run(checkpoint=path, callback=lambda row, *_: rows.append(row)), whole)
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
        dense, DIGITS, optimizer=optax.chain(optax.adam(1e-2), prune(schedule)), epochs=10
    )
    kept = {name: t.n_edges for name, t in tk.networks.kernel_topologies(result.model).items()}
    assert kept == {"layers.1": round(64 * 32 * 0.1), "layers.3": round(32 * 10 * 0.1)}
    assert result.test.accuracy > 0.8


def ending(function, seed: int = 0) -> eqx.nn.Sequential:
    return eqx.nn.Sequential([*model(seed).layers, eqx.nn.Lambda(function)])


def test_a_checkpoint_asks_for_what_it_cannot_see(tmp_path) -> None:
    path = tmp_path / "run.checkpoint"
    by = jnp.arange(10.0)
    scaled = ending(lambda x: x * by)
    with pytest.raises(ValueError, match=r"cannot tell optimizer\.init, .* settings={'optimizer'"):
        run(1, checkpoint=path, settings=None)
    with pytest.raises(
        ValueError, match=r"cannot tell model\.layers\[4\]\.fn .*{'model\.layers\[4\]\.fn': \."
    ):
        run(1, of=scaled, checkpoint=path)
    assert not path.exists()
    stated = {"optimizer": ["adam", 1e-2], "model": "scaled by 0 to 9"}
    run(1, of=scaled, checkpoint=path, settings=stated)
    run(1, of=scaled, checkpoint=path, settings=stated)
    with pytest.raises(ValueError, match=r"settings\['model'\] is 'scaled by 0 to 9', here 'not'"):
        run(1, of=scaled, checkpoint=path, settings=stated | {"model": "not"})
    with pytest.raises(FileNotFoundError, match="there is no folder .*none; make it first"):
        run(1, checkpoint=tmp_path / "none" / "run.checkpoint")


def test_random_keys_go_into_a_checkpoint_too(tmp_path) -> None:
    noise = optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(1)), optax.sgd(0.1))
    path = tmp_path / "run.checkpoint"
    run(1, optimizer=noise, checkpoint=path)
    again, once = run(2, optimizer=noise, checkpoint=path), run(2, optimizer=noise)
    last, alike = (replace(one.epochs[-1], seconds=0.0) for one in (again, once))
    assert last == alike


def in_half(tree):
    return jax.tree.map(lambda a: a.astype(jnp.float16) if eqx.is_inexact_array(a) else a, tree)


def reversed_examples():
    return replace(DIGITS, train_x=DIGITS.train_x[::-1], train_y=DIGITS.train_y[::-1])


FLOAT = jnp.result_type(float).name
STATED = {"optimizer": ["adam", 1e-2]}
LAST = r"model\.layers\[4\]"
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed is 0, here 1"),
    "batch size": ({"batch_size": 16}, "batch_size is 8, here 16"),
    "first weights": ({"of": ending(jnp.tanh, 1)}, rf"\.weight is {FLOAT} .*, here {FLOAT} "),
    "type of numbers": ({"of": in_half(ending(jnp.tanh))}, f"is {FLOAT} .*, here float16 "),
    "function": ({"of": ending(jax.nn.relu)}, rf"{LAST}\.fn is .*tanh, here .*relu"),
    "layer": ({"of": eqx.nn.Sequential([*model().layers, eqx.nn.Dropout(0.1)])}, rf"{LAST} is "),
    "learning rate": ({"settings": {"optimizer": ["adam", 3.0]}}, r"\[1\] is 0.01, here 3.0"),
    "word more": ({"settings": STATED | {"loss": 1}}, r"settings\['loss'\] is not there, here 1"),
    "state of the optimizer": ({"optimizer": optax.sgd(1e-2, 0.9)}, r"optimizer_state"),
    "state of equal arrays": ({"optimizer": optax.adabelief(1e-2)}, r"optimizer_state"),
    "order of examples": ({"data": reversed_examples()}, r"data\.train_x is .*, here "),
    "test part": ({"data": replace(DIGITS, test_y=DIGITS.test_y[::-1])}, r"data\.test_y is "),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "run.checkpoint"
    run(1, of=ending(jnp.tanh), checkpoint=path)
    return path


@pytest.mark.parametrize("kind", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_and_kept(kept, kind) -> None:
    change, told = OTHERS[kind]
    given: dict[str, Any] = {"of": ending(jnp.tanh)} | change
    before = kept.read_bytes()
    with pytest.raises(ValueError, match=f"checkpoint of another training: .*{told}"):
        run(checkpoint=kept, **given)
    assert kept.read_bytes() == before


def test_a_checkpoint_tells_rates_apart_that_the_state_holds(tmp_path) -> None:
    path, stated = tmp_path / "run.checkpoint", {"optimizer": "sgd"}
    slow, fast = (optax.inject_hyperparams(optax.sgd)(learning_rate=by) for by in (0.01, 0.1))
    run(1, optimizer=slow, settings=stated, checkpoint=path)
    with pytest.raises(ValueError, match=rf"hyperparams\['learning_rate'\] is {FLOAT}"):
        run(1, optimizer=fast, settings=stated, checkpoint=path)


def test_a_checkpoint_of_a_longer_run_is_refused_and_kept(kept) -> None:
    before = kept.read_bytes()
    with pytest.raises(ValueError, match=r"has 1 epochs already; given epochs=0"):
        run(0, of=ending(jnp.tanh), checkpoint=kept)
    assert kept.read_bytes() == before


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
    for kept in range(len(good) // 8, len(good), len(good) // 8):
        path.write_bytes(good[:kept])
        with pytest.raises(ValueError, match="is damaged"):  # whoever asks: first that, then whose
            run(0, checkpoint=path, seed=1)
    for other in (b"", b"{}\n", b"nonsense", b"\xff\xfe\n", b"[" * 10000):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="no checkpoint"):
            run(checkpoint=path)
        assert path.read_bytes() == other
    with pytest.raises(ValueError, match="is a folder"):
        run(checkpoint=tmp_path)


def forged(good: bytes, held: bytes, **changes: Any) -> bytes:
    """A checkpoint with other contents or another header, and a right hash."""
    header = json.loads(good.partition(b"\n")[0]) | changes
    header["sha256"] = _sealed(header, held)
    return json.dumps(header).encode() + b"\n" + held


@pytest.mark.parametrize("kind", ["shape", "objects", "short", "long", "header", "epochs", "mark"])
def test_a_checkpoint_with_a_right_hash_and_other_arrays_is_refused(kept, kind, tmp_path) -> None:
    good, path = kept.read_bytes(), tmp_path / "run.checkpoint"
    held = good.partition(b"\n")[2]
    shapes = re.search(rb"'shape': \((\d+), (\d+)\)", held)
    assert shapes is not None
    m, n = shapes[1], shapes[2]
    contents = {
        "shape": forged(good, held.replace(shapes[0], b"'shape': (%s, %s)" % (n, m), 1)),
        "objects": forged(good, held.replace(b"'<f", b"'|O", 1)),
        "short": forged(good, held[:-8]),
        "long": forged(good, held + b"more"),
        "header": forged(good, held.replace(b"'shape'", b"'\x1bape'", 1)),
        "epochs": forged(good, held, epochs=0),
        "mark": forged(good, held, mark={"format": FORMAT, "\x1b[2J" * 9999: "\x1b" * 9999}),
    }
    path.write_bytes(contents[kind])
    with pytest.raises(ValueError, match="is damaged: its arrays|of another training") as caught:
        run(of=ending(jnp.tanh), checkpoint=path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3000


def test_a_model_that_does_not_fit_the_data_is_refused() -> None:
    data = DIGITS
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
    with pytest.raises(ValueError, match="batch_size must be an integer of at most 1293"):
        run(batch_size=5000)
    halved = eqx.nn.Lambda(lambda v: jax.lax.while_loop(lambda v: v.sum() > 9, lambda v: v / 2, v))
    looping = eqx.nn.Sequential([model(), halved])
    with pytest.raises(ValueError, match="^the model must have gradients; take jax.lax.scan"):
        run(of=looping)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("learning_rate", value) for value in (0.0, -1.0, np.nan, np.inf, True)),
        *(("epochs", value) for value in (-1, True)),
        *(("batch_size", value) for value in (0, 5000)),
        ("seed", -1),
    ],
)
def test_a_seeded_training_refuses_bad_numbers(argument, value) -> None:
    given = {"seed": 0, "epochs": 1, "batch_size": 50, "learning_rate": 0.01} | {argument: value}
    with pytest.raises(ValueError, match=f"{argument} must be .*; given {value!r}"):
        train_from_seed(partial(mlp, (1, 8, 8), [32], 10), DIGITS, clos_with(0.5), **given)


def test_the_loss_is_the_cross_entropy_by_hand() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((7, 5)), rng.integers(0, 3, 7)
    data = make_dataset(x, y, x, y, classes=["a", "b", "c"])
    classifier = mlp((5,), [4], 3, key=jax.random.key(0))
    logits = np.array([classifier(jnp.asarray(row)) for row in data.test_x], float)
    chosen = np.exp(logits)[np.arange(7), y] / np.exp(logits).sum(1)
    found = evaluate(classifier, data.test_x, data.test_y)
    assert np.isclose(found.loss, -np.log(chosen).mean())
    assert np.isclose(found.accuracy, (logits.argmax(1) == y).mean())


def test_every_example_is_seen_once_an_epoch() -> None:
    steps = run(1, batch_size=100).epochs[0].steps
    assert steps == len(DIGITS.train_x) // 100


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
    assert once.test.accuracy > 0.85
    path = tmp_path / "run.checkpoint"
    noisy(1, checkpoint=path)
    same(noisy(3, checkpoint=path), once)


def test_running_means_are_those_of_the_layer_before() -> None:
    data = DIGITS
    trained = noisy(3, optimizer=optax.sgd(0.0))
    before = trained.model.layers.layers[1]
    sums = jax.vmap(before)(jnp.asarray(data.train_x).reshape(-1, 64))
    index = trained.model.layers.layers[2].batch_state_index
    means, variances = (np.asarray(part) for part in trained.state.get(index)[:2])
    np.testing.assert_allclose(means, sums.mean(0), atol=0.2)
    np.testing.assert_allclose(variances, sums.var(0), rtol=0.5)


def test_a_model_with_dropout_is_evaluated_without_it() -> None:
    dropping = eqx.nn.Sequential([model(), eqx.nn.Dropout(0.5)])
    trained = run(1, of=dropping)
    assert evaluate(trained.model.layers[0], DIGITS.test_x, DIGITS.test_y) == trained.test


def test_nothing_is_evaluated_on_nothing() -> None:
    with pytest.raises(ValueError, match="no examples"):
        evaluate(model(), DIGITS.test_x[:0], DIGITS.test_y[:0])


def test_a_loss_that_is_no_number_is_told() -> None:
    with pytest.warns(RuntimeWarning, match="training loss of epoch 1 is nan: take a lower"):
        run(1, optimizer=optax.sgd(1e30))
