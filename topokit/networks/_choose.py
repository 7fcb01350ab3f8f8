"""The best of several networks for some data: by a batch first, by well-spent training second."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from math import ceil, floor, inf
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Int

from topokit._checks import check_count, check_instance, check_real
from topokit.designs import Candidate
from topokit.networks._choice import Choice, Contender, shares_of_first
from topokit.networks._contestants import contestants_of
from topokit.networks._dataset import Dataset, split_by_class
from topokit.networks._fingerprint import check_settings
from topokit.networks._halving import Rung, schedule
from topokit.networks._kernel_regression import standard_error
from topokit.networks._race import Race
from topokit.networks._short_training import check_validation
from topokit.networks._trials import Recipe
from topokit.networks._untrained import LEAST_EXAMPLES
from topokit.ranking import own_precision


def choose(
    candidates: Mapping[str, Any] | list[Candidate],
    data: Dataset,
    *,
    build: Callable[..., Any] | None = None,
    budget: float = 0.1,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    keep: float = 0.5,
    examples: int = 1000,
    sparse_only: bool = True,
    eta: int = 3,
    seeds: int = 3,
    settings: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Choice:
    """Which of several networks to train on some data, at a share of the cost of training them all.

    One batch of training examples decides first who is trained at all, by the error of
    `kernel_regression`. The others climb rungs of successive halving: all take some steps, the best
    `1/eta` by validation accuracy take `eta` times as many, and so on, each going on from where it
    was. The last few are trained with several seeds, which say how sure their order is. The test
    part is not looked at.

    The schedule is that of Karnin, Koren and Somekh (2013) and of Jamieson and Talwalkar (2016,
    arXiv:1502.07943), with the geometric steps of Li and others (2018, arXiv:1603.06560). It is ten
    lines, which is why no package that brings a scheduler, such as Optuna, is needed: its pruners
    decide on trials that one after the other report what they reach, and hold neither the state to
    go on from nor this store.

    Every step is one of `train_from_seed` with the same `epochs`, `batch_size`, `learning_rate` and
    seed, and of a whole model one of `train`: a candidate that comes to the end has the accuracy
    that this would give it.

    Cost: the steps of the budget, a compilation for each candidate, and what `kernel_regression`
    takes of each. Memory, and the store: three numbers for each weight of each training and rung.

    Args:
        candidates: By name, any of: rules, such as `clos_with(0.2)`; topologies, which go into
            every layer of their numbers of inputs and outputs; mappings from names of layers to
            topologies, as `sparsify` takes them; functions that make a whole model from the keyword
            `key`; and models, whose first weights are those of all seeds. Or what `topokit.design`
            returns.
        data: Examples and labels, with a validation part.
        build: Makes the dense model, from the keyword `key`, into which rules and topologies go;
            without such candidates there need be none.
        budget: The most training steps: a float is a share, in (0, 1], of training all candidates
            to the end, once each, an integer their number.
        epochs: What the end is: how often a whole training sees all examples.
        batch_size: As in `train`.
        learning_rate: Adam's first one, which falls to 0 along a cosine over these epochs.
        keep: The share of the candidates, but two at least, that the kernel regression lets train;
            with 1 all are trained, and there is none.
        examples: The most training examples that it looks at, of each class its share.
        sparse_only: Whether it takes the sparse layers' part of the kernel, where a candidate has
            any, as in `kernel_regression`.
        eta: One in how many goes on, at least 2.
        seeds: How many seeds the finalists are trained with.
        settings: As in `train`, what a store cannot see of the models.
        executor: Where to run, such as `topokit.ranking.process_pool(4)`; here and in turn by
            default. A task is one candidate and seed on one rung; the data go with each.
        store: An SQLite file for what is finished, made if there is none, as in
            `topokit.ranking.sweep`. The same call after a kill runs only what is missing; another
            one takes from it every training of the same candidate, seed and number of steps.

    Returns:
        All candidates, best first, the same for the same arguments on the same machine, however
        often it was interrupted and wherever it ran, but for seconds. Candidates that tie stand in
        the order of their numbers of parameters, then of their names.

    Raises:
        ValueError: Before any work, if there are fewer than two candidates, two of one name, one
            that does not fit the data, no validation part, one class only, a budget of less than
            one step each, or an argument that cannot be; before any
            training, if the kernel regression fails for all; as in `topokit.ranking.sweep`, if the
            executor forks or the store cannot be used; and if all candidates diverge.
        topokit.ranking.UnfinishedError: If a task failed or its process died, after all others of
            its rung are finished.

    Examples:
        >>> from functools import partial
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
        >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
        >>> data = networks.make_dataset(x[:300], y[:300], x[300:], y[300:], validation=0.3)
        >>> models = {f"{n} hidden": partial(networks.mlp, (8,), [n], 2) for n in (1, 2, 32)}
        >>> rate = {"learning_rate": 0.02, "epochs": 30}
        >>> found = networks.choose(models, data, budget=0.5, seeds=2, **rate)
        >>> found.best, found.share <= 0.5
        ('32 hidden', True)

    See Also:
        `train_from_seed`, to train what was chosen; `train_steps`; `topokit.design`, without data.
    """
    _check_data(data)
    race = Race(
        {one.name: one for one in contestants_of(candidates, build)},
        replace(data, test_x=data.validation_x[:1], test_y=data.validation_y[:1]),
        _recipe(data, epochs, batch_size, learning_rate),
        check_settings(settings),
        executor,
        store,
    )
    rungs = _planned(race, budget, keep=keep, eta=eta, seeds=seeds)
    batch = _batch(data, check_count("examples", examples, least=LEAST_EXAMPLES))
    race.check()
    if rungs[0].candidates < len(race.contestants):
        race.foretell(data.train_x[batch], data.train_y[batch], sparse_only=sparse_only)
    field = sorted(race.contestants, key=race.promise)
    for number, rung in enumerate(rungs, start=1):
        field = field[: rung.candidates]
        race.climb(field, rung, f"rung {number}/{len(rungs)}")
        field = sorted(filter(race.is_sound, field), key=race.standing)
        if not field:
            raise ValueError(
                f"all candidates diverged within {rung.steps} steps: take a lower learning_rate "
                f"than {learning_rate}"
            )
    return _choice(race, rungs, field)


def _check_data(data: Any) -> None:
    check_instance("data", data, Dataset, "a Dataset, as make_dataset makes of arrays")
    check_validation(data)
    classes = np.unique(data.train_y)
    if len(classes) < 2:
        raise ValueError(
            f"data must have several classes to tell apart; all {len(data.train_y)} training "
            f"labels are {classes[0]}"
        )


def _recipe(data: Dataset, epochs: int, batch_size: int, learning_rate: float) -> Recipe:
    each = len(data.train_x) // check_count("batch_size", batch_size, most=len(data.train_x))
    rate = check_real("learning_rate", learning_rate, least=0, most=inf, above=True)
    return Recipe(int(batch_size), rate, each * check_count("epochs", epochs), own_precision())


def _planned(race: Race, budget: float, *, keep: float, eta: int, seeds: int) -> tuple[Rung, ...]:
    """The rungs, of those that the batch will let train."""
    n, horizon = len(race.contestants), race.recipe.horizon
    share = check_real("keep", keep, least=0, most=1, above=True)
    if isinstance(budget, Integral) and not isinstance(budget, bool):
        steps = check_count("budget", int(budget))
    else:
        share_of_all = check_real("budget", budget, least=0, most=1, above=True)
        steps = floor(share_of_all * n * horizon)
    return schedule(
        max(2, ceil(share * n)),
        eta=check_count("eta", eta, least=2),
        seeds=check_count("seeds", seeds),
        horizon=horizon,
        budget=steps,
    )


def _batch(data: Dataset, examples: int) -> Int[np.ndarray, " n"]:
    """Training examples for the kernel regression, of each class its share."""
    return split_by_class(data.train_y, min(examples, len(data.train_y)))[1]


def _choice(race: Race, rungs: tuple[Rung, ...], finalists: list[str]) -> Choice:
    shares = shares_of_first([race.right(name) for name in finalists])
    first = dict(zip(finalists, shares.tolist(), strict=True))
    contenders = [_contender(race, name, first.get(name, 0.0)) for name in race.contestants]
    contenders.sort(key=lambda one: (-one.rung, one.diverged, *race.standing(one.name)))
    steps = sum(one.steps for one in contenders)
    return Choice(
        tuple(contenders),
        rungs,
        steps,
        steps / (len(contenders) * race.recipe.horizon),
        sum(one.seconds for one in contenders),
    )


def _contender(race: Race, name: str, first: float) -> Contender:
    foretold, trials = race.foretold.get(name), race.trials[name].values()
    each = np.array([trial.right.mean() for trial in trials])
    return Contender(
        name=name,
        parameters=race.parameters[name],
        kernel_error=None if foretold is None else foretold.error,
        kernel_failure=None if foretold is None else foretold.failure,
        rung=len(race.counts[name]),
        accuracies=tuple(right / of for right, of in race.counts[name]),
        accuracy_error=standard_error(each),
        first=first,
        steps=sum(trial.steps for trial in trials),
        seconds=sum(part.seconds for part in [*trials, *filter(None, [foretold])]),
        diverged=not race.is_sound(name),
    )
