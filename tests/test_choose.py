"""The choice among networks: its schedule, its cost, its order, and that nothing is done twice."""

import multiprocessing
import pickle
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from races import DATA, HIDDEN, OPTIONS, WIDTHS, build, race

import topokit as tk
from topokit.networks import (
    Choice,
    Rung,
    choose,
    mlp,
    sparsify,
    train,
    train_from_seed,
    train_steps,
)
from topokit.networks._choice import shares_of_first
from topokit.networks._contestants import contestants_of
from topokit.networks._halving import schedule, total_steps
from topokit.networks._trials import ForetellTask, Foretold, Trial, TrialTask
from topokit.ranking import UnfinishedError, read_store
from topokit.ranking._store import Entry, Store

ADAM = optax.adam(0.01)


def timeless(choice: Choice) -> Choice:
    """A choice without what differs from run to run."""
    contenders = tuple(replace(one, seconds=0.0) for one in choice.contenders)
    return replace(choice, contenders=contenders, seconds=0.0)


def kept(path: Path) -> dict[str, list[Any]]:
    """The state of every training in a store, by key, and its place in it."""
    if not path.exists():
        return {}
    with closing(Store(path, create=False)) as store:
        rows = store._connection.execute("SELECT key, kind FROM results ORDER BY rowid").fetchall()
        keys = [key for key, kind in rows if kind == Trial.KIND]
        states = [store.get(key, lambda entry: entry.arrays["leaves"].tobytes()) for key in keys]
    return {key: pair for key, *pair in zip(keys, range(len(keys)), states, strict=True)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Choice, dict[str, list[Any]]]:
    """A choice that nothing interrupted, and what it kept."""
    path = tmp_path_factory.mktemp("choice") / "store"
    return timeless(race(store=path)), kept(path)


@given(
    n=st.integers(2, 60),
    eta=st.integers(2, 5),
    seeds=st.integers(1, 4),
    horizon=st.integers(1, 3000),
    budget=st.integers(1, 100_000),
)
def test_a_schedule_is_the_longest_within_its_budget(n, eta, seeds, horizon, budget) -> None:
    def walked(rungs: tuple[Rung, ...]) -> int:
        """The steps of all trainings, one training after the other."""
        taken: dict[tuple[int, int], int] = {}
        for rung in rungs:
            for pair in np.ndindex(rung.candidates, rung.seeds):
                taken[pair] = rung.steps
        return sum(taken.values())

    try:
        rungs = schedule(n, eta=eta, seeds=seeds, horizon=horizon, budget=budget)
    except ValueError:
        rungs = schedule(n, eta=eta, seeds=seeds, horizon=horizon, budget=10**9)
        first = [replace(rung, steps=min(horizon, eta**k)) for k, rung in enumerate(rungs)]
        assert total_steps(tuple(first)) > budget
        return
    assert total_steps(rungs) == walked(rungs) <= budget
    steps = [rung.steps for rung in rungs]
    assert steps == [min(horizon, steps[0] * eta**k) for k in range(len(rungs))]
    more = [min(horizon, (steps[0] + 1) * eta**k) for k in range(len(rungs))]
    longer = tuple(replace(rung, steps=n) for rung, n in zip(rungs, more, strict=True))
    assert steps[0] == horizon or walked(longer) > budget
    fields = [rung.candidates for rung in rungs]
    assert fields[0] == n
    assert 2 <= fields[-1] <= eta or fields == [2]
    assert all(eta * after >= before > eta for before, after in pairwise(fields))
    assert [rung.seeds for rung in rungs] == [1] * (len(rungs) - 1) + [seeds]


def test_steps_end_at_the_same_numbers_however_they_are_split() -> None:
    options = {"optimizer": ADAM, "batch_size": 8}
    model = mlp((8,), [8], 2, key=jax.random.key(0))
    each = len(DATA.train_x) // 8
    trained = train(model, DATA, epochs=2, **options)
    found = None
    for steps in (0, 3, each, each, each + 5, 2 * each):
        found = train_steps(model, DATA, steps=steps, since=found, **options)
    parts = [(one.model, one.opt_state) for one in (trained, found)]
    assert eqx.tree_equal(*parts)
    last = trained.epochs[-1]
    assert found.steps == last.steps
    assert found.validation_loss == last.validation_loss
    assert found.validation_accuracy == last.validation_accuracy
    np.testing.assert_allclose(found.right.mean(), found.validation_accuracy, rtol=1e-6)
    with pytest.raises(ValueError, match=f"steps must be an integer of at least {2 * each}"):
        train_steps(model, DATA, steps=1, since=found, **options)


def test_steps_go_on_from_nothing_of_another_model_or_optimizer() -> None:
    model, wider = (mlp((8,), [width], 2, key=jax.random.key(0)) for width in (8, 9))
    options: dict[str, Any] = {"batch_size": 8, "steps": 1}
    found = train_steps(model, DATA, optimizer=ADAM, **options)
    with pytest.raises(ValueError, match="since must be .* given one of another model"):
        train_steps(wider, DATA, optimizer=ADAM, since=found, **options)
    for other in (optax.sgd(0.1), optax.sgd(0.1, momentum=0.9), optax.chain(ADAM, ADAM)):
        with pytest.raises(ValueError, match="since must be .* given one of another optimizer"):
            train_steps(model, DATA, optimizer=other, since=found, **options)


def test_the_steps_are_those_of_the_schedule_and_the_rest_of_the_table_follows(whole) -> None:
    choice, trainings = whole
    n = len(WIDTHS)
    horizon = OPTIONS["epochs"] * (len(DATA.train_x) // OPTIONS["batch_size"])
    rungs = schedule(
        n,
        eta=OPTIONS["eta"],
        seeds=OPTIONS["seeds"],
        horizon=horizon,
        budget=int(OPTIONS["budget"] * n * horizon),
    )
    assert choice.rungs == rungs
    assert choice.steps == total_steps(rungs) == sum(one.steps for one in choice.contenders)
    assert choice.share == choice.steps / (n * horizon) <= OPTIONS["budget"]
    assert len(trainings) == sum(rung.candidates * rung.seeds for rung in rungs)
    reached = [one.rung for one in choice.contenders]
    assert reached == sorted(reached, reverse=True)
    for k, rung in enumerate(rungs, start=1):
        assert sum(r >= k for r in reached) == rung.candidates
        assert all(len(one.accuracies) == one.rung for one in choice.contenders)
    finalists = [one for one in choice.contenders if one.rung == len(rungs)]
    assert sum(one.first for one in choice.contenders) == pytest.approx(1)
    last = [one.accuracies[-1] for one in finalists]
    assert last == sorted(last, reverse=True)
    assert (finalists[0].accuracy_error is None) == (OPTIONS["seeds"] == 1)


def test_the_best_is_found_at_a_share_of_the_cost(whole) -> None:
    choice, _ = whole
    assert choice.best == f"{max(WIDTHS)} hidden"
    assert choice.certainty > 0.9
    assert "resamples" in str(choice)


def test_what_comes_to_the_end_is_as_accurate_as_the_training_of_its_seed() -> None:
    low_rank = tk.networks.low_rank_with(0.7, dense_below=1)
    rules = {"low rank": low_rank, "dense": tk.networks.dense()}
    recipe = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
    choice = choose(rules, DATA, build=build(HIDDEN), budget=1.0, keep=1, seeds=1, **recipe)
    found = {one.name: one.accuracies[-1] for one in choice.contenders}
    for name, rule in rules.items():
        trained = train_from_seed(build(HIDDEN), DATA, rule, seed=0, **recipe)
        assert found[name] == pytest.approx(trained.epochs[-1].validation_accuracy, rel=1e-6)


def test_one_that_goes_on_after_an_interrupt_is_the_same_and_repeats_nothing(
    whole, tmp_path, monkeypatch
) -> None:
    path, true_run, calls = tmp_path / "store", TrialTask.run, []

    def run(task: TrialTask) -> Trial:
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(task.label)
        return true_run(task)

    monkeypatch.setattr(TrialTask, "run", run)
    with pytest.raises(KeyboardInterrupt):
        race(store=path)
    assert len(kept(path)) == len(calls) == 4
    calls[:] = [""] * 5
    choice, trainings = whole
    assert timeless(race(store=path)) == choice
    assert len(calls) - 5 == len(trainings) - 4
    assert kept(path) == trainings
    calls.clear()
    assert timeless(race(store=path)) == choice
    assert calls == [], "the store holds everything"
    assert read_store(path) == [], "and no reconstruction"


def test_a_killed_one_loses_nothing_that_is_finished(whole, tmp_path) -> None:
    path = tmp_path / "store"
    process = multiprocessing.get_context("spawn").Process(target=race, kwargs={"store": path})
    process.start()
    before: dict[str, Any] = {}
    while process.is_alive() and len(before) < 2:
        time.sleep(0.05)
        with suppress(ValueError):  # a file that is being made
            before = kept(path)
    process.kill()
    process.join()
    choice, trainings = whole
    assert len(before) >= 2
    assert timeless(race(store=path)) == choice
    assert kept(path) == trainings
    assert before.items() <= trainings.items()


class Elsewhere(Executor):
    """Runs at once what comes out of a pickle, as another process would."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        call, given = pickle.loads(pickle.dumps((function, args)))
        future.set_result(pickle.loads(pickle.dumps(call(*given, **kwargs))))
        return future


def test_an_executor_finds_the_same(whole) -> None:
    assert timeless(race(executor=Elsewhere())) == whole[0]


def test_the_test_part_is_not_looked_at(whole) -> None:
    other = replace(DATA, test_x=np.full_like(DATA.test_x, 1e30), test_y=1 - DATA.test_y)
    assert timeless(race(data=other)) == whole[0]


def huge(key: Any) -> Any:
    """A model whose first loss is no number."""
    model = mlp((8,), [4], 2, key=key)
    factor = float(jnp.finfo(model.layers[1].weight.dtype).max) ** 0.8
    return jax.tree.map(lambda a: a * factor if eqx.is_array(a) else a, model)


class Loop(eqx.Module):
    """A model around a loop of which no gradient goes back."""

    inner: Any

    def __call__(self, x):
        return jax.lax.while_loop(lambda v: v.sum() > 9, lambda v: v / 2, self.inner(x))


def normalized(width: int, key: Any) -> Any:
    """A model with a state and with dropout."""
    first, second = jax.random.split(key)
    return eqx.nn.Sequential(
        [
            eqx.nn.Linear(8, width, key=first),
            eqx.nn.BatchNorm(width, axis_name="batch", mode="batch"),
            eqx.nn.Dropout(0.2),
            eqx.nn.Linear(width, 2, key=second),
        ]
    )


def test_states_and_keys_of_models_are_carried_on_too(tmp_path) -> None:
    recipe = {"epochs": 2, "batch_size": 60, "learning_rate": 0.01}
    shares = {f"share {share}": share for share in (0.5, 0.7, 0.9)}
    rules = {name: tk.networks.low_rank_with(s, dense_below=4) for name, s in shares.items()}
    model = partial(normalized, 8)
    options = {"keep": 1, "budget": 30, "executor": Elsewhere(), "store": tmp_path / "store"}
    choice = choose(rules, DATA, build=model, seeds=1, eta=2, **recipe, **options)
    assert [rung.steps for rung in choice.rungs] == [6, 12]
    one = choice.contenders[0]
    trained = train_from_seed(model, DATA, rules[one.name], seed=0, **recipe)
    assert one.accuracies[-1] == pytest.approx(trained.epochs[-1].validation_accuracy, rel=1e-6)


def test_one_that_diverges_falls_out_and_is_told() -> None:
    candidates = {"huge": huge, "small": build(2), "large": build(HIDDEN)}
    options: dict[str, Any] = {"epochs": 1, "batch_size": 16, "seeds": 1, "eta": 2}
    choice = choose(candidates, DATA, keep=1, budget=0.5, **options)
    names = {one.name: one for one in choice.contenders}
    assert [one.name for one in choice.contenders][-1] == "huge"
    assert names["huge"].diverged
    assert names["huge"].rung == 1
    assert not names["large"].diverged
    assert "no number any more of huge" in str(choice)
    choice = choose(candidates, DATA, keep=0.6, budget=0.5, **options)
    assert [one.kernel_error for one in choice.contenders if one.name == "huge"] == [np.inf]
    assert [one.rung for one in choice.contenders] == [1, 1, 0], "the batch leaves it out"
    failures = {one.name: one.kernel_failure for one in choice.contenders}
    assert "gradients of the model overflow" in str(failures.pop("huge"))
    assert set(failures.values()) == {None}
    told = [remark for remark in choice.remarks() if "kernel regression failed" in remark]
    assert len(told) == 1
    assert "failed for huge, which" in told[0]
    assert "gradients of the model overflow" in told[0]
    with pytest.raises(ValueError, match="all candidates diverged within .*lower learning_rate"):
        choose({"a": huge, "b": huge}, DATA, keep=1, **options)


def test_where_the_batch_says_nothing_of_any_nobody_is_dropped_blindly(monkeypatch) -> None:
    monkeypatch.setattr(TrialTask, "run", lambda _: pytest.fail("it was trained"))
    candidates = dict.fromkeys("abc", huge)
    expected = "fails for all candidates: scale the data, or give keep=1, .*: the gradients of the"
    with pytest.raises(ValueError, match=expected):
        choose(candidates, DATA, keep=0.6, examples=8)


def test_what_a_store_holds_of_a_failure_is_its_reason() -> None:
    for found in (Foretold(np.inf, 0.0, "it overflows"), Foretold(0.5, 1.0, None)):
        assert Foretold.from_entry(found.to_entry()) == found
    for wrong in (Foretold(np.inf, 0.0, None), Foretold(0.5, 1.0, "it overflows")):
        with pytest.raises(ValueError, match="its error is .*, and its failure"):
            Foretold.from_entry(wrong.to_entry())


def same_of_all(width: int, key: Any) -> Any:
    """A model whose hidden neurons say nothing, so that its width makes no difference."""
    return jax.tree.map(lambda a: 0 * a if eqx.is_array(a) else a, mlp((8,), [width], 2, key=key))


def test_ties_are_broken_by_parameters_and_by_names() -> None:
    candidates = {
        **{f"of {width}": partial(same_of_all, width) for width in (6, 3)},
        "b": partial(same_of_all, 4),
        "a": partial(same_of_all, 4),
    }
    choice = choose(candidates, DATA, keep=1, epochs=1, seeds=1, budget=0.9, eta=4)
    assert [one.name for one in choice.contenders] == ["of 3", "a", "b", "of 6"]
    assert [one.first for one in choice.contenders] == [0.25] * 4


def test_how_often_a_finalist_is_first_is_what_the_resamples_say() -> None:
    always, never = np.ones((2, 5), bool), np.zeros((2, 5), bool)
    assert shares_of_first([never, always, never]).tolist() == [0, 1, 0]
    assert shares_of_first([never, never]).tolist() == [0.5, 0.5]
    both, one = np.array([[True, True]]), np.array([[True, False]])
    np.testing.assert_allclose(shares_of_first([both, one]), [7 / 8, 1 / 8], atol=0.03)
    lucky = np.array([[True] * 4, [False] * 4])  # first with probability 1/4, ties with 1/2
    steady = np.array([[True] * 4, [False] * 4])
    np.testing.assert_allclose(shares_of_first([lucky, steady]), [0.5, 0.5], atol=0.05)


def test_topologies_go_where_they_fit_and_designs_are_candidates() -> None:
    graph = tk.topologies.low_rank(8, HIDDEN, 2)
    designs = tk.design(8, HIDDEN, share=0.6, depth=1, trials=0, measure=False, candidates=2)
    given = {"graph": graph, "recipe": tk.to_layers(graph), "by name": {"layers.1": graph}}
    drawn = [one.draw(3) for one in contestants_of(given, build(HIDDEN))]
    key = jax.random.key(3)
    expected = sparsify(build(HIDDEN)(key=key), {"layers.1": graph}, key=key)
    for one in drawn:
        assert eqx.tree_equal(one.model, expected)
    found = contestants_of(designs, build(HIDDEN))
    assert [one.name for one in found] == [one.name for one in designs]
    dense = HIDDEN + 2 * HIDDEN + 2
    assert tk.networks.n_parameters(found[0].draw(0).model) == designs[0].trainable + dense
    model = mlp((8,), [4], 2, key=key)
    assert contestants_of({"a": model, "b": model}, None)[0].draw(5).model is model


PLAIN = {"small": build(2), "large": build(4)}
RULES = {"one": tk.networks.dense(), "two": tk.networks.low_rank_with(0.5)}
ONE_CLASS = replace(DATA, train_y=np.zeros_like(DATA.train_y))
TWICE = [*tk.design(8, 4, share=0.9, depth=1, trials=0, measure=False, candidates=1)] * 2
BAD = {
    "none": ({"candidates": {}}, "candidates must be at least two, to choose among; given 0"),
    "one": ({"candidates": {"a": build(2)}}, "at least two, to choose among; given 1"),
    "equal names": ({"candidates": TWICE, "build": build(4)}, "two candidates are called '"),
    "a bad name": ({"candidates": PLAIN | {"": build(3)}}, "the name of a candidate must not be"),
    "a number": ({"candidates": PLAIN | {"x": 3}}, "candidate 'x': candidates must be a dict"),
    "no model for rules": ({"candidates": RULES}, "candidate 'one': .* give build="),
    "another shape": (
        {"candidates": PLAIN | {"wide": partial(mlp, (9,), [2], 2)}},
        "candidate 'wide': the model cannot take an example of",
    ),
    "a finished model with a state": (
        {"candidates": PLAIN | {"norm": normalized(3, jax.random.key(0))}},
        "candidate 'norm': the model has a state: give the function that makes it",
    ),
    "other classes": (
        {"candidates": PLAIN | {"three": partial(mlp, (8,), [2], 3)}},
        "candidate 'three': the model must return 2 logits",
    ),
    "no such layer": (
        {"candidates": RULES | {"odd": tk.topologies.butterfly(16)}, "build": build(4)},
        "candidate 'odd': it has 16 inputs and 16 outputs, as no layer of the model has",
    ),
    "no gradients": (
        {"candidates": PLAIN | {"loop": Loop(mlp((8,), [2], 2, key=jax.random.key(0)))}},
        "candidate 'loop': the model must have gradients; take jax.lax.scan",
    ),
    "a number is built": (
        {"candidates": RULES, "build": lambda key: len(str(key))},
        "^build: model must be an Equinox model",
    ),
    "another shape is built": (
        {"candidates": RULES, "build": partial(mlp, (9,), [2], 2)},
        "^build: the model cannot take an example of",
    ),
    "little budget": ({"budget": 3, "seeds": 2, "keep": 1}, "budget must be at least 4 steps"),
    "no share": ({"budget": 1.5}, r"budget must be a number in \(0.0, 1.0\]|in \(0, 1\]"),
    "no budget": ({"budget": 0}, "budget must be an integer of at least 1"),
    "eta of 1": ({"eta": 1}, "eta must be an integer of at least 2"),
    "no seeds": ({"seeds": 0}, "seeds must be an integer of at least 1"),
    "keeps none": ({"keep": 0}, r"keep must be a number in \(0, 1\]"),
    "few examples": ({"examples": 3}, "examples must be an integer of at least 8"),
    "no epochs": ({"epochs": 0}, "epochs must be an integer of at least 1"),
    "a large batch": ({"batch_size": 10**6}, "batch_size must be an integer of at most"),
    "no rate": ({"learning_rate": 0}, "learning_rate must be a number in"),
    "one class": ({"data": ONE_CLASS}, "several classes to tell apart; all .* labels are 0"),
    "nothing to choose by": (
        {"data": replace(DATA, validation_x=DATA.test_x[:0], validation_y=DATA.test_y[:0])},
        "data must have a validation part",
    ),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_told_before_any_work(changed, message, monkeypatch) -> None:
    for kind in (TrialTask, ForetellTask):
        monkeypatch.setattr(kind, "run", lambda _: pytest.fail("it ran"))
    options = {"candidates": PLAIN, "data": DATA} | changed
    with pytest.raises(ValueError, match=message):
        choose(**options)


def test_what_a_store_cannot_tell_from_others_is_to_be_stated(tmp_path) -> None:
    def unnamed(key: Any) -> Any:
        return eqx.nn.Sequential([eqx.nn.Linear(8, 2, key=key), eqx.nn.Lambda(lambda x: 2 * x)])

    candidates = {"unnamed": unnamed, "plain": build(2)}
    with pytest.raises(ValueError, match=r"^what is kept .* cannot tell model.layers\[1\].fn from"):
        choose(candidates, DATA, store=tmp_path / "store")


def test_a_failure_is_told_by_name_and_the_rest_is_kept(tmp_path, monkeypatch) -> None:
    true_run = TrialTask.run

    def run(task: TrialTask) -> Trial:
        if task.name == "small":
            raise MemoryError("too much")
        return true_run(task)

    monkeypatch.setattr(TrialTask, "run", run)
    with pytest.raises(UnfinishedError, match="'small', seed 0: MemoryError: too much"):
        choose(PLAIN, DATA, keep=1, seeds=1, epochs=1, store=tmp_path / "store")
    assert len(kept(tmp_path / "store")) == 1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"right": np.ones(3, bool)}, r"its arrays are bool\[3\] and uint8"),
        ({"right": np.ones(240)}, r"its arrays are float64\[240\]"),
        ({"leaves": np.zeros(5, np.uint8)}, "its arrays are not those of the training"),
    ],
    ids=["other examples", "numbers", "another model"],
)
def test_what_others_wrote_under_a_key_is_refused(part, said, tmp_path, monkeypatch) -> None:
    def to_entry(trial: Trial) -> Entry:
        entry = true_entry(trial)
        return entry._replace(arrays=dict(entry.arrays) | part)

    def run(task: TrialTask) -> Trial:
        if task.since is not None:
            raise KeyboardInterrupt
        return true_run(task)

    true_entry, true_run = Trial.to_entry, TrialTask.run
    candidates = {f"of {width}": build(width) for width in (2, 3, 4)}
    options: dict[str, Any] = {"keep": 1, "epochs": 1, "eta": 2, "seeds": 1, "budget": 0.5}
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "to_entry", to_entry)
        patch.setattr(TrialTask, "run", run)
        with pytest.raises(KeyboardInterrupt):
            choose(candidates, DATA, store=tmp_path / "store", **options)
    with pytest.raises((ValueError, UnfinishedError), match=said):
        choose(candidates, DATA, store=tmp_path / "store", **options)
