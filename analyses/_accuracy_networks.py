"""The networks of the study of scores: what a batch says of them, and what they learn.

A wiring, ReLU, the same wiring again, ReLU, and a dense layer to the classes. They train as
`topokit.networks.choose` trains its candidates, step by step the same, and are looked at on the
validation part wherever a schedule of its halving would look: so that its choice can be told from
what is kept here. The test part is looked at once, at the end.
"""

from time import process_time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.special import log_softmax

import topokit as tk
from analyses._accuracy_kernels import score_kernels
from analyses._accuracy_settings import Setting, batch_of
from analyses.kit import busy, significant
from analyses.score_accuracy import BATCH, Shuffle
from topokit import Layers, networks
from topokit.networks._halving import Rung, schedule
from topokit.networks._seeded import falling_adam

RATE = 1e-2
SHORT, ETA, FINAL_SEEDS, COMPARED = (10, 60, 200), 3, 3, 128


class Schedule(NamedTuple):
    """Share of the candidates that the batch lets train, and of the steps of training all."""

    keep: float
    budget: float


SCHEDULES = Schedule(0.5, 0.1), Schedule(1.0, 0.1)


def build(
    wiring: Layers, n_classes: int, shuffled: bool, *, key: PRNGKeyArray
) -> eqx.nn.Sequential:
    """Fresh weights and, if asked for, fresh orders of neurons."""
    keys = jax.random.split(key, 5)
    layers: list = []
    for shuffle, own in (keys[:2], keys[2:4]):
        order = jnp.arange(wiring.n_in)
        layers.append(Shuffle(jax.random.permutation(shuffle, order) if shuffled else order))
        layers += [networks.SparseLinear(wiring, key=own), eqx.nn.Lambda(jax.nn.relu)]
    return eqx.nn.Sequential([*layers, eqx.nn.Linear(wiring.n_out, n_classes, key=keys[4])])


def horizon_of(setting: Setting, data: networks.Dataset) -> int:
    """Steps of a whole training."""
    return setting.epochs * (len(data.train_x) // BATCH)


def rungs_of(how: Schedule, candidates: int, horizon: int) -> tuple[Rung, ...]:
    """The rungs of `topokit.networks.choose` with these settings."""
    return schedule(
        max(2, int(np.ceil(how.keep * candidates))),
        eta=ETA,
        seeds=FINAL_SEEDS,
        horizon=horizon,
        budget=int(np.floor(how.budget * candidates * horizon)),
    )


def looks(setting: Setting, candidates: int, data: networks.Dataset) -> list[int]:
    """All steps after which the validation part is looked at, up to where trainings stop."""
    horizon = horizon_of(setting, data)
    rungs = [rung.steps for how in SCHEDULES for rung in rungs_of(how, candidates, horizon)]
    found = {*SHORT, *rungs, horizon // setting.epochs, horizon // 2, horizon}
    last = horizon // 2 if setting.kept else horizon
    return sorted(steps for steps in found if steps <= last)


def learn(wiring: Layers, setting: Setting, data: networks.Dataset, steps: list[int]) -> Any:
    """Right validation examples after all these steps, and how good the end is, over seeds."""
    runs = [_train(wiring, setting, data, steps, seed) for seed in range(setting.seeds)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def _train(
    wiring: Layers, setting: Setting, data: networks.Dataset, steps: list[int], seed: int
) -> dict[str, Any]:
    model = build(wiring, data.n_classes, setting.shuffled, key=jax.random.key(seed))
    optimizer, found, right = falling_adam(RATE, horizon_of(setting, data)), None, []
    began = process_time()
    for until in steps:
        found = networks.train_steps(
            model, data, optimizer=optimizer, steps=until, batch_size=BATCH, seed=seed, since=found
        )
        right.append(int(found.right.sum()))
    assert found is not None
    seconds = process_time() - began
    return {"right": right, "seconds": round(seconds, 3)} | (
        {} if setting.kept else _ends(found.model, data)
    )


def _ends(model: Any, data: networks.Dataset) -> dict[str, float]:
    """Accuracy and loss, on as many test as training examples, for one program."""
    parts = {"test": (data.test_x, data.test_y), "train": (data.train_x, data.train_y)}
    return {
        f"{part}_{name}": value
        for part, (x, y) in parts.items()
        for name, value in _judge(model, x[: len(data.test_x)], y[: len(data.test_x)]).items()
    }


def _judge(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Accuracy and mean cross entropy."""
    logits = np.asarray(_logits(model, jnp.asarray(x)))
    loss = -log_softmax(logits, axis=1)[np.arange(len(y)), y].mean()
    return {
        "accuracy": round(float((logits.argmax(axis=1) == y).mean()), 5),
        "loss": significant(float(loss)),
    }


@eqx.filter_jit
def _logits(model: Any, x: Array) -> Array:
    return jax.lax.map(model, x, batch_size=500)


def score_batch(wiring: Layers, setting: Setting, data: networks.Dataset) -> dict[str, Any]:
    """What one batch says of the first weights and the first order, and what that costs."""
    chosen = batch_of(data)
    x, y = data.train_x[chosen], data.train_y[chosen]
    model = build(wiring, data.n_classes, setting.shuffled, key=jax.random.key(0))
    order = np.asarray(model.layers[0].order)
    seconds, sparse = busy(lambda: networks.tangent_kernel(model, x, sparse_only=True))
    found = score_kernels(model, sparse, x, y)
    calls = {
        "naswot": lambda: networks.naswot(model, x[: min(COMPARED, wiring.n_out)]),
        "synflow": lambda: networks.synflow(model, x.shape[1:]),
        "grasp": lambda: networks.grasp(model, x, y),
        "ntk_sap": lambda: networks.ntk_sap(model, x),
        "effective rank, sparse": lambda: networks.effective_rank(sparse),
        "conditioning": lambda: 1 / networks.condition_number(sparse),
        "loss over inputs": lambda: over_inputs(wiring, x[:, order]),
    }
    clocked = {name: busy(call) for name, call in calls.items()}
    return {
        "parameters": networks.n_parameters(model),
        "scores": found | {name: significant(each, 6) for name, (_, each) in clocked.items()},
        "seconds": {"kernel": round(seconds, 3)}
        | {name: round(each, 3) for name, (each, _) in clocked.items()},
    }


def over_inputs(wiring: Layers, x: Float[np.ndarray, "n n_in"]) -> float:
    """`topokit.predicted_loss` over these inputs, of one draw of weights."""
    return float(tk.predicted_loss(wiring, inputs=np.asarray(x, float), n_samples=1))
