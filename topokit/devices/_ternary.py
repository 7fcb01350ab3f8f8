"""TernGrad: gradients are sent as -1, 0 and 1, at random so that their mean is right.

W. Wen and others, "TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep
Learning" (NeurIPS 2017), as Y. Wang, W. Wen and others, "Exploiting Redundancy in Deep Learning:
Towards an Efficient Framework" tell it, section V: an entry `g` of an array becomes

    s sign(g) b,    b = 1 with probability |g| / s, else 0                          (6)

whose mean is `g`. The scaler `s` is the largest size that an entry has; large ones are clipped
before at `c` standard deviations of the array (7), which lets fewer entries become 0 by chance. The
workers share the largest of their scalers, so that the sum of what `N` of them send has `2N + 1`
levels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from math import inf
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Integer, Key, PyTree

from topokit._binades import unit_of
from topokit._checks import check_choice, check_flag, check_real, check_seed
from topokit._real_arrays import check_real_array
from topokit._records import brief
from topokit.devices._reductions import Reduction
from topokit.devices._sums import gather_digits, sum_digits
from topokit.devices._worker_axis import WORKERS, checked_axis, count_workers, largest_of_all

CONVENTIONS = ("sigma", "largest")
TERNARY = 3  # values of one worker
ALIKE = 8  # roundings by which entries that are all alike may seem to differ


class TernaryRule(NamedTuple):
    """The settings of `terngrad`."""

    clip: float | None
    share: bool
    scaler: str
    together: bool
    whole: tuple[str, ...]
    seed: int
    axis: str


class TernaryState(NamedTuple):
    """What `terngrad` remembers; in a chain that it begins, `opt_state[0]`.

    Attributes:
        step: Number of updates taken.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import devices
        >>> state = devices.terngrad().init({"kernel": jnp.ones((2, 2))})
        >>> int(state.step), type(state).__name__
        (0, 'TernaryState')

    See Also:
        `terngrad`, whose state it is.
    """

    step: Int[Array, ""]


def terngrad(
    *,
    clip: float | None = 2.5,
    share: bool = True,
    scaler: str = "sigma",
    together: bool = False,
    whole: Sequence[str] = (),
    seed: int = 0,
    axis: str = WORKERS,
) -> Reduction:
    """The mean of the gradients of all workers, each of which sends -1, 0 and 1 alone.

    Its expectation is the mean of the clipped gradients. What is sent is packed, 1.6 bits a value.
    Two workers exchange all values; from three on it is less that each adds up one part for all,
    whose sums take hardly more than `log2(2N + 1)` bits. Both give the same to the last bit.

    An array whose entries are all alike has no standard deviation, and is not clipped.

    Args:
        clip: Standard deviations, about the mean, at which entries are clipped, about 0; None clips
            none.
        share: The largest scaler over all workers is that of all. Otherwise each has its own, the
            sum has up to `3^N` levels, and values are always gathered.
        scaler: Which of the two published conventions: "sigma", where the scaler is the size at
            which is clipped, `clip` standard deviations, whether an entry is that large or not; or
            "largest", where it is the largest size of an entry after clipping. Without clipping
            both are the largest size.
        together: One standard deviation and one scaler for all arrays, not for each its own.
        whole: Arrays that are sent in full precision: their paths, as `jax.tree_util.keystr` writes
            them, or those of parts with several, such as `".layers[3]"`.
        seed: With the numbers of the step and of the worker it decides the draws.
        axis: The axis of the mesh along which the workers lie.

    Returns:
        A transformation to begin an optimizer with, inside `jax.shard_map(..., check_vma=False)`:
        in go the gradients of a worker, out comes what is the same for all. A gradient that is no
        number anywhere is none everywhere.

    Raises:
        ValueError: If an argument is none of these; at `init` if a path leads to no array; at
            `update` outside of such a `jax.shard_map`.

    Examples:
        >>> import optax
        >>> from topokit import devices
        >>> optimizer = optax.chain(devices.terngrad(clip=2.5), optax.sgd(0.1))
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `ternarize`, of one array; `averaged`, in full precision; `traffic`, for what is sent.
    """
    check_choice("scaler", scaler, CONVENTIONS)
    seed = check_seed("seed", seed)
    share, together = check_flag("share", share), check_flag("together", together)
    listed = isinstance(whole, Sequence) and not isinstance(whole, str)
    if not listed or not all(isinstance(path, str) for path in whole):
        raise ValueError(f"whole must be a list of paths of arrays; given {whole!r}")
    rule = TernaryRule(
        _checked(clip), share, scaler, together, tuple(whole), seed, checked_axis(axis)
    )
    return Reduction(partial(_begin, rule), partial(_send, rule))


def ternarize(
    gradient: Float[Array, "..."],
    key: Key[Array, ""],
    *,
    clip: float | None = 2.5,
    scaler: str = "sigma",
) -> Float[Array, "..."]:
    """An array with entries of -s, 0 and s alone, whose expectation is the clipped array.

    Args:
        gradient: The array.
        key: Decides the draws.
        clip: As in `terngrad`.
        scaler: As in `terngrad`.

    Raises:
        ValueError: If the gradient is no array of numbers or the key none of JAX, `clip` is not
            above 0, or there is no such convention.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from topokit import devices
        >>> devices.ternarize(jnp.array([0.0, -3.0, 3.0]), jax.random.key(0), clip=None).tolist()
        [0.0, -3.0, 3.0]

    See Also:
        `terngrad`, over workers.
    """
    check_real_array("gradient", gradient)
    if not hasattr(key, "dtype"):
        raise ValueError(
            f"key must be a JAX random key, such as jax.random.key(0); given {brief(key)}"
        )
    check_choice("scaler", scaler, CONVENTIONS)
    clipped, size = _clipped([gradient], _checked(clip), scaler)[0]
    return _signs(clipped, size, key) * size


def _checked(clip: float | None) -> float | None:
    return None if clip is None else check_real("clip", clip, least=0, most=inf, above=True)


def _begin(rule: TernaryRule, params: PyTree) -> TernaryState:
    paths, _ = _paths(params)
    for part in rule.whole:
        if not any(_lies_in(path, part) for path in paths):
            raise ValueError(f"whole: no array lies at {part!r}; the arrays are {', '.join(paths)}")
    return TernaryState(jnp.zeros((), jnp.int32))


def _send(
    rule: TernaryRule, updates: PyTree, state: Any, params: Any = None
) -> tuple[PyTree, TernaryState]:
    del params
    workers = count_workers(rule.axis)
    paths, leaves = _paths(updates)
    apart = [not any(_lies_in(path, part) for part in rule.whole) for path in paths]
    sent = [leaf for leaf, ternary in zip(leaves, apart, strict=True) if ternary]
    key = jax.random.fold_in(jax.random.key(rule.seed), state.step)
    key = jax.random.fold_in(key, lax.axis_index(rule.axis))
    means = iter(_mean(rule, sent, key, workers) if sent else ())
    full = iter(lax.pmean([a for a, t in zip(leaves, apart, strict=True) if not t], rule.axis))
    reduced = [next(means if ternary else full) for ternary in apart]
    return jax.tree.unflatten(jax.tree.structure(updates), reduced), TernaryState(state.step + 1)


def _mean(
    rule: TernaryRule, gradients: list[Array], key: Key[Array, ""], workers: int
) -> list[Array]:
    """The mean over workers of arrays that each makes ternary."""
    found = _clipped(gradients, rule.clip, rule.scaler, together=rule.together)
    sizes = jnp.stack([size for _, size in found])
    if rule.share:
        sizes = largest_of_all(sizes, rule.axis)
    # One draw for all arrays, which compiles in a fraction of the time of one for each. -1, 0 and 1
    # are the digits 0, 1 and 2.
    clipped = jnp.concatenate([array.ravel() for array, _ in found])
    spread = [jnp.full(a.size, size) for (a, _), size in zip(found, sizes, strict=True)]
    digits = _signs(clipped, jnp.concatenate(spread), key) + 1
    if rule.share:
        sums = sum_digits(digits, TERNARY, rule.axis).astype(jnp.int32) - workers
        return _split(sums, gradients, lambda sum_, number: sum_ / workers * sizes[number])
    each = gather_digits(digits, TERNARY, rule.axis).astype(jnp.int32) - 1
    theirs = lax.all_gather(sizes, rule.axis) / workers
    return _split(each, gradients, lambda all_, number: jnp.sum(all_ * theirs[:, number, None], 0))


def _clipped(
    arrays: list[Array], clip: float | None, scaler: str, *, together: bool = False
) -> list[tuple[Array, Float[Array, ""]]]:
    """Arrays with what is too large cut off, and the scaler of each."""
    arrays = [a.astype(jnp.promote_types(a.dtype, jnp.float32)) for a in arrays]
    joined = [jnp.concatenate([a.ravel() for a in arrays])] if together else arrays
    ends = [_ends(array, clip, scaler) for array in joined] * (len(arrays) if together else 1)
    return [
        (jnp.clip(array, -limit, limit), size)
        for array, (limit, size) in zip(arrays, ends, strict=True)
    ]


def _ends(
    array: Array, clip: float | None, scaler: str
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The size at which an array is clipped, and its scaler."""
    largest = jnp.abs(array).max(initial=0)
    if clip is None:
        return largest, largest
    unit, kind = unit_of(largest), jnp.finfo(array.dtype)
    sigma = (array / unit).std() if array.size else largest  # in this unit
    alike = sigma <= ALIKE * kind.eps * (largest / unit)
    limit = jnp.where(alike, largest, jnp.minimum(clip * sigma * unit, float(kind.max)))
    return limit, limit if scaler == "sigma" else jnp.minimum(limit, largest)


def _signs(clipped: Array, size: Array, key: Key[Array, ""]) -> Integer[Array, "..."]:
    """The sign of each entry with the probability of its share of its scaler, else 0."""
    kept = jax.random.uniform(key, clipped.shape, clipped.dtype) * size < jnp.abs(clipped)
    return jnp.where(kept, jnp.sign(clipped), 0).astype(jnp.int8)


def _split(
    values: Integer[Array, "*rows n"], like: list[Array], scaled: Callable[[Array, int], Array]
) -> list[Array]:
    """Values of arrays that were joined, as numbers and in the form of each again."""
    ends = accumulate((array.size for array in like), initial=0)
    return [
        scaled(values[..., start : start + array.size], number)
        .reshape(array.shape)
        .astype(array.dtype)
        for number, (start, array) in enumerate(zip(ends, like, strict=False))
    ]


def _paths(tree: PyTree) -> tuple[list[str], list[Any]]:
    """The arrays of a tree, and the path of each."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path) for path, _ in found], [leaf for _, leaf in found]


def _lies_in(path: str, part: str) -> bool:
    """Whether a path is that of a part, or goes on from there."""
    return path == part or path.startswith((f"{part}.", f"{part}["))
