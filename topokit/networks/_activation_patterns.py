"""Which ReLUs an example switches on, whatever the model that holds them.

The program that JAX traces of a model is walked, and wherever it takes `max(x, 0)` the signs of `x`
are kept: so it is with `jax.nn.relu` and `relu6`, within functions that are compiled, mapped,
checkpointed or scanned. A maximum over an axis, as of pooling, is no gate, nor are other
activations.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jaxtyping import Array, Bool, Float, Shaped

from topokit._limits import check_memory
from topokit.networks._infer_one import infer_one
from topokit.networks._untrained import Untrained, check_batch, draw_models

# Examples at once, and bytes that patterns and their agreement may take.
TOGETHER, LIMIT = 100, 2**32

# Where the parameters of a primitive hold the program that it runs once on its own arguments.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
KNOWN = {"broadcast_in_dim", "convert_element_type"}  # what zeros pass through

Gates = list[Bool[Array, "..."]]


def activation_patterns(
    model: Any, x: Shaped[np.ndarray | Array, "n *shape"], *, state: Any = None
) -> Bool[np.ndarray, "n gates"]:
    """Which ReLUs of a network each example switches on.

    A gate is one number that the model takes `max(., 0)` of, as `jax.nn.relu` does, in the order in
    which it does so; it is on where that number is above 0. Cost: a prediction for each example,
    and a byte for each example and gate.

    Args:
        model: Any Equinox model that takes one example and returns a vector.
        x: Examples.
        state: The state of a model that has one, as in `train`.

    Raises:
        ValueError: If the model or the examples are refused, as by `tangent_kernel`, the model has
            no such gate, or one inside of a `while_loop` or a `cond`, or more than 4 GiB would be
            needed.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).standard_normal((10, 5))
        >>> networks.activation_patterns(model, x).shape
        (10, 16)

    See Also:
        `naswot`, how well they tell examples apart.
    """
    (one,) = draw_models(model, state, draws=1, seed=0)
    return patterns_of(one, check_batch(one, x).x)


def naswot(model: Any, x: Shaped[np.ndarray | Array, "n *shape"], *, state: Any = None) -> float:
    """How well the ReLUs of an untrained network tell examples apart, without their labels.

    The logarithm of the determinant of the kernel of Hamming distances, `log |K|` with `K[i, j]`
    the number of gates at which examples i and j agree. Source: Mellor, Turner, Storkey and
    Crowley, "Neural architecture search without training" (ICML 2021, arXiv:2006.04647), equation
    (2). Higher is meant to be better: at most `n log(gates)`, where no two examples agree
    anywhere, and minus infinity where the kernel is singular, as two equal patterns make it, or
    more than `gates + 1` examples. It grows with the numbers of gates and of examples: compare
    networks that have as many gates, on the same examples.

    Cost: that of `activation_patterns`, O(n^2 gates) and O(n^3).

    Args:
        model: Any Equinox model with ReLUs that takes one example and returns a vector.
        x: Examples, fewer than the network has gates.
        state: The state of a model that has one, as in `train`.

    Raises:
        ValueError: As `activation_patterns`.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).standard_normal((10, 5))
        >>> bool(0 < networks.naswot(model, x) < 10 * np.log(16))
        True

    See Also:
        `activation_patterns`, the patterns; `batch_scores`, beside other scores.
    """
    return log_agreement(activation_patterns(model, x, state=state))


def log_agreement(patterns: Bool[np.ndarray, "n gates"]) -> float:
    """The logarithm of the determinant of how often any two patterns agree."""
    signs = np.where(patterns, np.float32(1), np.float32(-1))
    values = np.linalg.eigvalsh((patterns.shape[1] + (signs @ signs.T).astype(float)) / 2)
    singular = values[0] <= len(values) * np.finfo(float).eps * values[-1]
    return -np.inf if singular else float(np.log(values).sum())


def patterns_of(one: Untrained, x: Float[Array, "n *shape"]) -> Bool[np.ndarray, "n gates"]:
    """The same, of what was checked."""
    n_gates = count_gates(one, x)
    if not n_gates:
        raise ValueError(
            "the model takes max(x, 0), as jax.nn.relu does, of nothing: it has no pattern of gates"
        )
    n_bytes = len(x) * (5 * n_gates + 24 * len(x))
    check_memory("the activation patterns", n_bytes, LIMIT, "give fewer", of=f"{len(x)} examples")
    return np.asarray(_mapped(one, x))


def count_gates(one: Untrained, x: Float[Array, "n *shape"]) -> int:
    """How many ReLUs a model has for an example; nothing is computed."""
    return eqx.filter_eval_shape(_gates, one, x[0]).size


@eqx.filter_jit
def _mapped(one: Untrained, x: Float[Array, "n *shape"]) -> Bool[Array, "n gates"]:
    return lax.map(partial(_gates, one), x, batch_size=min(TOGETHER, len(x)))


def _gates(one: Untrained, x: Float[Array, "*shape"]) -> Bool[Array, " gates"]:
    """Those of one example."""
    _, gates = _walk(jax.make_jaxpr(lambda x: infer_one(*one, x))(x), [x])
    return jnp.concatenate([jnp.zeros(0, bool), *(gate.ravel() for gate in gates)])


def _walk(program: ClosedJaxpr | Jaxpr, args: Iterable[Any]) -> tuple[list[Any], Gates]:
    """Run a program, and keep the signs of all that it takes the maximum with 0 of."""
    jaxpr, consts = _opened(program)
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    values |= dict(zip(jaxpr.invars, args, strict=True))
    gates: Gates = []

    def read(atom: Any) -> Any:
        if not isinstance(atom, Literal):
            return values[atom]
        kind: Any = atom.aval
        return np.asarray(atom.val, kind.dtype)

    for step in jaxpr.eqns:
        results, own = _step(step, [read(atom) for atom in step.invars])
        gates += own
        values |= dict(zip(step.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars], gates


def _step(step: Any, args: list[Any]) -> tuple[list[Any], Gates]:
    """One operation of a program, with the gates that it is, or holds."""
    name = step.primitive.name
    if name in CALLS:
        return _walk(step.params[CALLS[name]], args)
    if name == "scan":
        return _scan(args, **step.params)
    if any(map(_holds_gate, _programs(step.params))):
        raise ValueError(
            f"the model has a ReLU inside of a {name!r}, where its signs cannot be kept: write it "
            "with jax.lax.scan, or without a loop or branch"
        )
    gates = [x > 0 for x, other in (args, args[::-1]) if _is_zero(other)] if name == "max" else []
    return _run(step, args), gates


def _run(step: Any, args: list[Any]) -> list[Any]:
    """Bind an operation to its arguments; what is known of zeros before anything runs, stays so."""
    known = step.primitive.name in KNOWN and not any(isinstance(arg, Tracer) for arg in args)
    params = step.primitive.get_bind_params(step.params)
    with jax.ensure_compile_time_eval() if known else nullcontext():
        results = step.primitive.bind(*args, **params)
    return list(results) if step.primitive.multiple_results else [results]


def _scan(
    args: list[Any], *, jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, **options: Any
) -> tuple[list[Any], Gates]:
    """A loop of a number of rounds, with the gates of all of them."""
    consts, begun = args[:num_consts], args[num_consts : num_consts + num_carry]

    def step(carry: list[Any], given: list[Any]) -> tuple[list[Any], tuple[list[Any], Gates]]:
        results, gates = _walk(jaxpr, [*consts, *carry, *given])
        return results[:num_carry], (results[num_carry:], gates)

    told = {name: options[name] for name in ("length", "reverse", "unroll")}
    carry, (stacked, gates) = lax.scan(step, begun, args[num_consts + num_carry :], **told)
    return [*carry, *stacked], gates


def _is_zero(value: Any) -> bool:
    return not isinstance(value, Tracer) and not np.asarray(value).any()


def _opened(program: ClosedJaxpr | Jaxpr) -> tuple[Jaxpr, Iterable[Any]]:
    return (program.jaxpr, program.consts) if isinstance(program, ClosedJaxpr) else (program, ())


def _programs(params: dict[str, Any]) -> Iterator[ClosedJaxpr | Jaxpr]:
    """The programs among the parameters of an operation."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else [value]:
            if isinstance(part, ClosedJaxpr | Jaxpr):
                yield part


def _holds_gate(program: ClosedJaxpr | Jaxpr) -> bool:
    """Whether a program takes a maximum with a number: of what, is not known before it runs."""
    return any(
        (step.primitive.name == "max" and any(isinstance(a, Literal) for a in step.invars))
        or any(map(_holds_gate, _programs(step.params)))
        for step in _opened(program)[0].eqns
    )
