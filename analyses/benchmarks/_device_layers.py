"""A layer that learns, in every form there is, `INNER` steps in one compiled program.

Where a device is fast, a step takes less time than to ask for it; hence several in a program, which
is compiled ahead of time. A forward pass is repeated on its own outputs, and a barrier keeps what
does not change, such as a matrix filled with zeros, from being made once for all.

A way is a form of `topokit.products` under other constants of its module: the loops of gathered
rows as they suit a CPU's cache, and longer ones; sums that are unrolled; complete blocks and
matrices with zeros, in single precision and as the device's matrix units take it by default.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, TypeVar
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import topokit as tk
from analyses.benchmarks._layer_cases import has_torch, torch_makers
from analyses.benchmarks._layer_peers import RATE, Batch, Peer, forward_clock, training_clock
from analyses.kit import Clock, timed
from topokit.networks import SparseLinear
from topokit.products import Wiring

# A form of one's choice has no public door; hence what is private here.
from topokit.products import _blocks, _forms, _product_kernel, _signal_kernel  # isort: skip
from topokit.products._column_plan import Step, layer_step  # isort: skip

torch_device: Any = import_module("analyses.benchmarks._torch_device") if has_torch else None
INNER, COMPILERS, PATIENCE = 4, 16, 45
Result = TypeVar("Result")
PROGRAMS = ("forward", "train")
# Numbers for each edge of matrices with zeros, and slots of a sum, up to which they are tried.
MOST_FILLED, MOST_UNROLLED = 32, 8


class Form(NamedTuple):
    """How layers are multiplied: the rule, and what is different while that is compiled."""

    rule: Callable[[Step], Wiring | None]
    other: tuple[tuple[Any, Mapping[str, Any]], ...] = ()


class Lowered(NamedTuple):
    """Two programs that are not compiled yet, and what each is called with."""

    forward: Any
    prediction: tuple
    train: Any
    training: tuple


class Way(NamedTuple):
    """A layer at work: outputs and losses to compare, seconds of so many rounds, and to compile."""

    forward: Callable[[], np.ndarray]
    train: Callable[[], float]
    clocks: dict[str, Clock]
    compile_s: float


class Barred(_product_kernel.Unrolled):
    """Sums that are unrolled, with a barrier behind each, which some compilers keep."""

    def _fenced(self, compute: Callable[[], jax.Array], shape: tuple, like: jax.Array) -> jax.Array:
        del shape, like
        return lax.optimization_barrier(compute())


def barred_form(step: Step, batch: int) -> Wiring:
    """The same for products."""
    del batch
    return Barred(*_forms.unroll(step))


def roughly(formula: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """In the place of `_blocks._einsum`: as precise as the device multiplies by default."""
    return jnp.einsum(formula, a, b, precision="default")


def unrolled(step: Step) -> Wiring | None:
    """If sums are short."""
    return _forms.unroll(step) if np.bincount(step.receivers).max() <= MOST_UNROLLED else None


def looped(sizes: _signal_kernel.LoopSizes) -> Form:
    """Loops of these sizes, on whichever device."""
    return Form(_forms.loop, ((_signal_kernel, {"loop_sizes": lambda: sizes}),))


ROUGH = (_blocks, {"_einsum": roughly})
FORMS = {
    "loops": looped(_signal_kernel.ON_CPU),
    "loops, longer": looped(_signal_kernel.ON_GPU),
    "unrolled": Form(unrolled),
    "blocks": Form(_forms.find_blocks),
    "blocks, default precision": Form(_forms.find_blocks, (ROUGH,)),
    "filled": Form(_forms.fill),
    "filled, default precision": Form(_forms.fill, (ROUGH,)),
}


def in_each_form(layers: tk.Layers, forms: Iterable[str], batch: Batch) -> dict[str, Lowered]:
    """A topology in all of these forms that are possible."""
    rules = dict.fromkeys(FORMS[name].rule for name in forms)
    models = {rule: in_form(layers, rule) for rule in rules}
    found = {}
    for name in forms:
        model = models[FORMS[name].rule]
        if model is not None:
            with under(FORMS[name]):
                found[name] = lower_model(model, batch)
    return found


def usual_form(layers: tk.Layers, number: int = 0) -> str:
    """The class of the form that a layer takes where nothing is measured."""
    return type(_forms.make_wiring(layers, number)).__name__


def in_form(layers: tk.Layers, rule: Callable[[Step], Wiring | None]) -> SparseLinear | None:
    """A layer whose edges are all multiplied in this form; None where it cannot be."""
    entries = sum(map(int.__mul__, layers.widths, layers.widths[1:]))
    if rule is _forms.fill and entries > MOST_FILLED * layers.n_edges:
        return None
    wirings = [rule(layer_step(layers, number)) for number in range(layers.depth)]
    if any(wiring is None for wiring in wirings):
        return None
    with mock.patch.object(_forms, "_usual", side_effect=wirings):
        return SparseLinear(layers, key=jax.random.key(0))


@contextmanager
def under(form: Form) -> Iterator[None]:
    """What is different, and nothing that was traced before."""
    with ExitStack() as stack:
        for owner, values in form.other:
            stack.enter_context(mock.patch.multiple(owner, **values))
        jax.clear_caches()
        yield
    jax.clear_caches()


def lower_model(model: SparseLinear, batch: Batch) -> Lowered:
    """A layer of topokit, mapped over examples."""
    weights, wiring = eqx.partition(model, eqx.is_inexact_array)

    def apply(weights: SparseLinear, wiring: SparseLinear, x: jax.Array) -> jax.Array:
        return jax.vmap(eqx.combine(weights, wiring))(x)

    return lower(apply, weights, wiring, batch)


def lower_dense(matrix: np.ndarray, batch: Batch, precision: str) -> Lowered:
    """A dense layer, multiplied as precisely as is said."""

    def apply(weights: dict, _: None, x: jax.Array) -> jax.Array:
        return jnp.matmul(x, weights["matrix"], precision=precision) + weights["bias"]

    start = {"matrix": jnp.asarray(matrix), "bias": jnp.zeros(matrix.shape[1])}
    return lower(apply, start, None, batch)


def lower(apply: Callable, start: Any, given: Any, batch: Batch) -> Lowered:
    """Several forward passes, and several steps of Adam, each as one program."""
    optimizer, (x, y) = optax.adam(RATE), map(jnp.asarray, batch)

    def output(weights: Any, given: Any, x: jax.Array) -> jax.Array:
        return jax.nn.relu(apply(weights, given, x))

    def forward(weights: Any, given: Any, x: jax.Array) -> jax.Array:
        def once(_: Any, x: jax.Array) -> jax.Array:
            return output(*lax.optimization_barrier((weights, given, x)))

        return lax.fori_loop(0, INNER, once, x)

    def train(state: tuple, given: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, tuple]:
        def loss(weights: Any) -> jax.Array:
            return jnp.sum((output(weights, given, x) - y) ** 2)

        def once(_: Any, now: tuple[jax.Array, tuple]) -> tuple[jax.Array, tuple]:
            weights, moments = now[1]
            value, gradient = jax.value_and_grad(loss)(weights)
            updates, moments = optimizer.update(gradient, moments)
            return value, (optax.apply_updates(weights, updates), moments)

        return lax.fori_loop(0, INNER, once, (jnp.float32(0), state))

    state = start, jax.jit(optimizer.init)(start)
    return Lowered(
        jax.jit(forward).lower(start, given, x),
        (start, given, x),
        jax.jit(train).lower(state, given, x, y),
        (state, given, x, y),
    )


def compile_all(todo: dict[str, Lowered]) -> dict[str, Way | str]:
    """Compile side by side."""
    programs = {(way, part): getattr(todo[way], part) for way in todo for part in PROGRAMS}
    found = side_by_side({k: partial(timed, each.compile) for k, each in programs.items()})
    return {way: _begun(todo[way], [found[way, part] for part in PROGRAMS]) for way in todo}


def _begun(lowered: Lowered, programs: list[Any]) -> Way | str:
    """A way after its first round; what failed says why."""
    if failed := [each for each in programs if isinstance(each, str)]:
        return failed[0]
    (seconds, forward), (more, train) = programs
    way = as_way(lowered, forward, train, seconds + more)
    try:
        way.forward()
        way.train()
    except Exception as error:
        return said(error)
    return way


def side_by_side(calls: Mapping[Any, Callable[[], Result]]) -> dict[Any, Result | str]:
    """The results of calls; one that fails, or takes too long, says so in its place."""
    # PyTorch's default device is that of a thread.
    pool = ThreadPoolExecutor(COMPILERS, initializer=torch_device.use_gpu if has_torch else None)
    futures = {name: pool.submit(call) for name, call in calls.items()}
    wait(futures.values(), timeout=PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    return {name: _outcome(future) for name, future in futures.items()}


def _outcome(future: Future[Result]) -> Result | str:
    if not future.done() or future.cancelled():
        return f"was not compiled within {PATIENCE} s"
    error = future.exception()
    return future.result() if error is None else said(error)


def as_way(lowered: Lowered, forward: Any, train: Any, compile_s: float) -> Way:
    """Both programs, run from the same start as often as is asked."""
    start, given, x, y = lowered.training

    def forward_rounds(rounds: int) -> float:
        calls = lambda: [forward(*lowered.prediction) for _ in range(rounds)]  # noqa: E731
        return timed(calls)[0] / INNER

    def training_rounds(rounds: int) -> float:
        def calls() -> Any:
            state, value = start, None
            for _ in range(rounds):
                value, state = train(state, given, x, y)
            return value, state

        return timed(calls)[0] / INNER

    return Way(
        lambda: np.asarray(forward(*lowered.prediction)),
        lambda: float(train(start, given, x, y)[0]),
        {"forward": forward_rounds, "training": training_rounds},
        compile_s,
    )


def said(error: BaseException) -> str:
    """The first line of an error."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]


def torch_dense_ways(matrix: np.ndarray, batch: Batch) -> dict[str, Way | str]:
    """A dense layer in PyTorch."""
    make = partial(torch_makers["fused"], [matrix], batch)
    names = "torch dense", "torch dense, default precision"
    return {name: torch_way(make, rough="default" in name) for name in names}


def torch_ways(n: int, layers: tk.Layers, batch: Batch) -> dict[str, Way | str]:
    """A sparse layer in PyTorch: ours, and CSR of the same entries where there is one layer."""
    made = {"topokit.torch": partial(torch_makers["module"], layers, batch)}
    if layers.depth == 1:
        filled = np.zeros((n, n), np.float32)
        filled[layers.senders[0], layers.receivers[0]] = 1 / np.sqrt(layers.n_edges / n)
        made["torch CSR"] = partial(torch_makers["CSR"], [filled], batch)
    return {name: torch_way(make, rough=False) for name, make in made.items()}


def torch_way(make: Callable[[], Peer], *, rough: bool) -> Way | str:
    """A peer of PyTorch, as precise as it is by itself or as rough as JAX is."""
    try:
        peer = make()
        forward, train = forward_clock(peer), training_clock(peer)
        with torch_device.precision(rough=rough):
            outputs, loss = peer.forward(1), peer.train(peer.begin(True), 1)[0]
    except Exception as error:
        return said(error)

    def clock(call: Clock) -> Clock:
        def run(rounds: int) -> float:
            with torch_device.precision(rough=rough):
                return call(rounds)

        return run

    clocks = {"forward": clock(forward), "training": clock(train)}
    return Way(lambda: outputs, lambda: loss, clocks, 0.0)
