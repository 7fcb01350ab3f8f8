"""Layers taken apart: by principal components of filters, and by the tensor decompositions.

The filters of a layer, its neurons or output channels, are the rows of a matrix `W`. They lie near
a space of few dimensions if few eigenvalues of their second moments `W W^T`, about 0 and not about
their mean, hold most of the sum of all; the *rank rule* of the published code of force
regularization takes the least number whose sum is at least a share of it. The relative squared
error of the weights is then at most `1 - share`, and no product of that rank has a smaller one
(Eckart and Young). At a share of 1 the product is the layer itself, up to rounding.

A convolution in groups is taken apart in each group alone, into equally many parts, for a group
does not see the channels of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from topokit._checks import check_count, check_counts, check_real
from topokit.networks._factored_layer import (
    Factor,
    FactoredLayer,
    filter_sizes,
    is_convolution,
    is_linear,
)

SHARE = 0.95
SWEEPS, STILL = 100, 1e-10  # of alternating least squares, and the growth at which it is done

Matrix = Float[np.ndarray, "_rows _columns"]


@dataclass(frozen=True)
class LowRankForm:
    """How layers are taken apart: called with a layer, it gives what takes its place.

    It prints as what made it, can be pickled, and equals another of the same settings.

    Attributes:
        name: Which one of the forms.
        share: The share of the squared weights that is kept at least; None if ranks are given.
        ranks: The ranks; None if they follow from the share.

    Examples:
        >>> from topokit import networks
        >>> form = networks.pca(0.9)
        >>> form.name, form.share, form.ranks
        ('pca', 0.9, None)
        >>> isinstance(form, networks.LowRankForm)
        True

    See Also:
        `pca`, `svd`, `tucker2` and `separable`, which make them; `decompose`, which takes one.
    """

    name: str
    share: float | None
    ranks: tuple[int, ...] | None

    def takes(self, layer: Any) -> bool:
        """Whether a layer is one that can be taken apart like this."""
        return METHODS[self.name].takes(layer)

    def ranks_of(self, layer: Factor) -> tuple[int, ...]:
        """The ranks that a layer gets.

        Raises:
            ValueError: If the layer is none that can be taken apart like this, has weights that are
                not finite or all 0, or has no room for the ranks.
        """
        self._check(layer)
        unfolded, groups = METHODS[self.name].unfold(layer), filter_sizes(layer)[2]
        if self.share is not None:
            least = partial(_least_rank_of, share=self.share)
            return tuple(groups * max(map(least, matrices)) for matrices in unfolded)
        for rank, matrices in zip(self.ranks or (), unfolded, strict=True):
            most = groups * min(matrices.shape[1:])
            if rank > most or rank % groups:
                each = f", in multiples of its {groups} groups" if groups > 1 else ""
                raise ValueError(f"a rank of this layer is at most {most}{each}; given {rank}")
        return self.ranks or ()

    def __call__(self, layer: Factor) -> FactoredLayer:
        """Take a layer apart.

        Raises:
            ValueError: As `ranks_of` does.
        """
        return METHODS[self.name].factor(layer, *self.ranks_of(layer))

    def _check(self, layer: Any) -> None:
        if not self.takes(layer):
            raise ValueError(
                f"{self.name} takes {METHODS[self.name].kinds}, with weights of its own; given a "
                f"{type(layer).__name__}"
            )
        weight = np.asarray(layer.weight, float)
        if not np.isfinite(weight).all() or not weight.any():
            raise ValueError("the weights of the layer must be finite and not all 0")


def pca(share: float | None = None, *, rank: int | None = None) -> LowRankForm:
    """Principal components of the filters: a basis of few filters, and how they are combined.

    `N` filters become `r` without a bias, the scores `E^T W` of the filters, and behind them a
    convolution of 1 x 1 pixels, or a dense layer, with the eigenvectors `E` and the bias. Of `k`
    entries in each of `g` groups, multiplications are `N k / (r (k + N / g))` times fewer
    (`theoretical_speedup`).

    Args:
        share: The share of the sum of the eigenvalues that is kept at least, in (0, 1]; .95 if
            neither is given.
        rank: The number of basis filters of all groups, in the place of a share.

    Returns:
        What takes apart dense layers and convolutions of images, of any stride, padding, dilation
        and groups.

    Raises:
        ValueError: If the share or rank is out of range, or both are given.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> pair = networks.pca(rank=4)(model.layers[4])
        >>> [layer.weight.shape for layer in pair.layers]
        [(4, 6, 5, 5), (16, 4, 1, 1)]

    See Also:
        `decompose`, for a model; `svd`, the same product; `filter_ranks`, the ranks alone.
    """
    return _form("pca", share, _only_rank(rank))


def svd(share: float | None = None, *, rank: int | None = None) -> LowRankForm:
    """The singular value decomposition: the product of `pca`, with both factors of equal size.

    Each factor takes the roots of the singular values, so that a step of training moves either
    alike. Arguments as in `pca`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((8,), [6], 2, key=jax.random.key(0))
        >>> pair = networks.svd(rank=2)(model.layers[1])
        >>> [layer.weight.shape for layer in pair.layers]
        [(2, 8), (6, 2)]

    See Also:
        `pca`, whose first factor has all of the size; `topokit.topologies.low_rank`, the wiring.
    """
    return _form("svd", share, _only_rank(rank))


def tucker2(share: float | None = None, *, ranks: tuple[int, int] | None = None) -> LowRankForm:
    """Tucker-2: fewer channels in, a small convolution between them, and all channels out again.

    A convolution becomes three: 1 x 1 pixels from all inputs to `r`, the kernel from `r` to `s`,
    and 1 x 1 pixels from `s` to all outputs (Kim and others, "Compression of deep convolutional
    neural networks for fast and low power mobile applications", 2016). Both bases are found by
    alternating least squares from those of the unfolded weights (higher-order orthogonal
    iteration), which takes few lines of numpy and no package more.

    Args:
        share: As in `pca`, of the second moments of input channels and of output channels, each by
            itself; the error of both together is at most twice `1 - share`.
        ranks: Channels between, first those behind the inputs, in the place of a share.

    Returns:
        What takes apart convolutions of images in one group.

    Raises:
        ValueError: As in `pca`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> three = networks.tucker2(ranks=(3, 8))(model.layers[4])
        >>> [layer.weight.shape for layer in three.layers]
        [(3, 6, 1, 1), (8, 3, 5, 5), (16, 8, 1, 1)]

    See Also:
        `separable`, which takes the kernel apart; `pca`, the outputs alone.
    """
    given = None if ranks is None else tuple(check_counts("ranks", ranks))
    if given is not None and len(given) != 2:
        raise ValueError(f"ranks of tucker2 are two, of inputs and of outputs; given {given}")
    return _form("tucker2", share, given)


def separable(share: float | None = None, *, rank: int | None = None) -> LowRankForm:
    """Vertical filters, then horizontal ones, for each convolution (Jaderberg and others, 2014).

    `W[n, c, y, x]` becomes the sum over `r` of `h[n, r, x] v[r, c, y]`: the singular value
    decomposition of the matrix from `(c, y)` to `(n, x)`, which is the best of all such (Tai and
    others, 2016). Arguments as in `pca`.

    Returns:
        What takes apart convolutions of images in one group.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> pair = networks.separable(rank=7)(model.layers[4])
        >>> [layer.weight.shape for layer in pair.layers]
        [(7, 6, 5, 1), (16, 7, 1, 5)]

    See Also:
        `pca`, whose basis has whole kernels; `decompose`, for a model.
    """
    return _form("separable", share, _only_rank(rank))


def theoretical_speedup(n_filters: int, n_inputs: int, rank: int, *, groups: int = 1) -> float:
    """How many times fewer multiplications a layer takes as a product by `pca`.

    `N k / (r (k + N / g))` for `N` filters of `k` entries each, in `g` groups, and a rank of `r`
    (Li and others, 2018, table II).

    Args:
        n_filters: Filters, of all groups.
        n_inputs: Entries of each: its channels times the pixels of its kernel.
        rank: Basis filters, of all groups.
        groups: Groups of the convolution.

    Raises:
        ValueError: If one of them is no integer of at least 1, groups do not divide the filters, or
            the rank is greater than that of the filters can be.

    Examples:
        >>> from topokit import networks
        >>> round(networks.theoretical_speedup(384, 256 * 9, 184), 3)
        1.789
        >>> round(networks.theoretical_speedup(384, 192 * 9, 201, groups=2), 3)
        1.719

    See Also:
        `pca`, whose rank it is; `decomposed_speed`, which measures it.
    """
    n_filters, n_inputs = check_count("n_filters", n_filters), check_count("n_inputs", n_inputs)
    rank, groups = check_count("rank", rank), check_count("groups", groups)
    if n_filters % groups:
        raise ValueError(f"groups must divide the {n_filters} filters; given {groups}")
    check_count("rank", rank, most=groups * min(n_filters // groups, n_inputs))
    return n_filters * n_inputs / (rank * (n_inputs + n_filters / groups))


def least_rank(squares: Float[np.ndarray, " values"], share: float) -> int:
    """How many of the greatest values hold a share of the sum of all; they fall."""
    held = np.cumsum(squares)
    return int(np.argmax(held >= share * held[-1])) + 1


def _least_rank_of(matrix: Matrix, *, share: float) -> int:
    """The rank rule: eigenvalues of second moments are squared singular values."""
    return least_rank(np.linalg.svd(matrix, compute_uv=False) ** 2, share)


def _only_rank(rank: int | None) -> tuple[int] | None:
    return None if rank is None else (check_count("rank", rank),)


def _form(name: str, share: float | None, ranks: tuple[int, ...] | None) -> LowRankForm:
    if share is not None and ranks is not None:
        raise ValueError(f"{name} takes a share or ranks, not both; given {share} and {ranks}")
    if ranks is None:
        share = check_real("share", SHARE if share is None else share, least=0, most=1, above=True)
        return LowRankForm(name, share, None)
    return LowRankForm(name, None, ranks)


def _filters(layer: Factor) -> Float[np.ndarray, "groups filters entries"]:
    """The filters of each group, one a row."""
    n_filters, entries, groups = filter_sizes(layer)
    return np.asarray(layer.weight, float).reshape(groups, n_filters // groups, entries)


def _channels(layer: Factor) -> tuple[Float[np.ndarray, "1 _channels _entries"], ...]:
    """The weights by input channel, and by output channel."""
    weight = np.asarray(layer.weight, float)
    return tuple(_unfolded(weight, axis)[None] for axis in (1, 0))


def _lines(layer: Factor) -> Float[np.ndarray, "1 entries others"]:
    """The matrix from channels and rows `(c, y)` to filters and columns `(n, x)`."""
    weight = np.asarray(layer.weight, float)
    n, c, height, width = weight.shape
    return weight.transpose(1, 2, 0, 3).reshape(1, c * height, n * width)


def _unfolded(array: np.ndarray, axis: int) -> Matrix:
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _pca(layer: Factor, rank: int, *, even: bool = False) -> FactoredLayer:
    """The scores of the filters and their eigenvectors; with `even`, both scaled alike."""
    filters, n_filters = _filters(layer), len(layer.weight)
    each = rank // len(filters)
    mixed, basis = _product(filters, each, even=even)
    basis, mixed = basis.reshape(rank, *layer.weight.shape[1:]), mixed.reshape(n_filters, each)
    if isinstance(layer, eqx.nn.Linear):
        return FactoredLayer((_linear(layer, basis), _linear(layer, mixed, last=True)))
    last = _convolution(layer, mixed[..., None, None], groups=layer.groups, last=True)
    return FactoredLayer((_like(layer, basis, slice(0, 2)), last))


def _product(
    matrices: Float[np.ndarray, "*groups rows columns"], rank: int, *, even: bool
) -> tuple[Float[np.ndarray, "*groups rows r"], Float[np.ndarray, "*groups r columns"]]:
    """The nearest product of a rank; the singular values are the second's, or shared evenly."""
    left, values, right = np.linalg.svd(matrices, full_matrices=False)
    values = values[..., :rank]
    first, second = [np.sqrt(values)] * 2 if even else [np.ones_like(values), values]
    return left[..., :rank] * first[..., None, :], second[..., None] * right[..., :rank, :]


def _tucker2(layer: eqx.nn.Conv2d, behind: int, before: int) -> FactoredLayer:
    weight = np.asarray(layer.weight, float)
    inner, outer, core = tucker2_factors(weight, behind, before)
    return FactoredLayer(
        (
            _convolution(layer, inner.T[..., None, None]),
            _like(layer, core, slice(0, 2)),
            _convolution(layer, outer[..., None, None], last=True),
        )
    )


def tucker2_factors(
    weight: Float[np.ndarray, "n c h w"], behind: int, before: int
) -> tuple[Float[np.ndarray, "c behind"], Matrix, Float[np.ndarray, "before behind h w"]]:
    """Bases of input and output channels, and the kernel between them, by alternation."""
    inner, sizes = _leading(_unfolded(weight, 1), behind), [0.0]
    while True:
        outer = _leading(_unfolded(np.einsum("nchw,cr->nrhw", weight, inner), 0), before)
        half = np.einsum("nchw,ns->schw", weight, outer)
        inner = _leading(_unfolded(half, 1), behind)
        core = np.einsum("schw,cr->srhw", half, inner)
        sizes.append(float(np.square(core).sum()))
        if sizes[-1] - sizes[-2] <= STILL * sizes[-1] or len(sizes) > SWEEPS:
            return inner, outer, core


def _leading(matrix: Matrix, rank: int) -> Matrix:
    return np.linalg.svd(matrix, full_matrices=False)[0][:, :rank]


def _separable(layer: eqx.nn.Conv2d, rank: int) -> FactoredLayer:
    n, c, height, width = layer.weight.shape
    down, across = _product(_lines(layer)[0], rank, even=True)
    vertical = down.T.reshape(rank, c, height, 1)
    horizontal = across.reshape(rank, n, 1, width).swapaxes(0, 1)
    return FactoredLayer(
        (
            _like(layer, vertical, slice(0, 1)),
            _like(layer, horizontal, slice(1, 2), last=True),
        )
    )


def _linear(layer: Factor, weight: Matrix, *, last: bool = False) -> eqx.nn.Linear:
    n_out, n_in = weight.shape
    biased, key = last and layer.bias is not None, jax.random.key(0)
    options = {"use_bias": biased, "dtype": layer.weight.dtype, "key": key}
    new = eqx.filter_eval_shape(eqx.nn.Linear, n_in, n_out, **options)
    return _filled(new, layer, weight)


def _like(
    layer: eqx.nn.Conv2d, weight: np.ndarray, axes: slice, *, last: bool = False
) -> eqx.nn.Conv2d:
    """A convolution with the stride, padding and dilation of a layer along some of its axes."""
    whole = isinstance(layer.padding, str)
    padding = layer.padding if whole else _only(layer.padding, axes, (0, 0))
    return _convolution(
        layer,
        weight,
        last=last,
        groups=layer.groups,
        stride=_only(layer.stride, axes, 1),
        padding=padding,
        dilation=_only(layer.dilation, axes, 1),
        padding_mode=layer.padding_mode,
    )


def _only(values: Sequence, axes: slice, other: Any) -> tuple:
    kept = range(2)[axes]
    return tuple(value if axis in kept else other for axis, value in enumerate(values))


def _convolution(
    layer: Factor, weight: np.ndarray, *, last: bool = False, groups: int = 1, **how: Any
) -> eqx.nn.Conv2d:
    n_out, n_in, *kernel = weight.shape
    biased, key = last and layer.bias is not None, jax.random.key(0)
    how |= {"groups": groups, "use_bias": biased, "dtype": layer.weight.dtype, "key": key}
    new = eqx.filter_eval_shape(eqx.nn.Conv2d, groups * n_in, n_out, kernel, **how)
    return _filled(new, layer, weight)


def _filled(new: Any, layer: Factor, weight: np.ndarray) -> Any:
    """A layer with these weights and, if it has a bias, that of the layer it comes from."""
    weight = jax.device_put(np.asarray(weight, layer.weight.dtype))
    new = eqx.tree_at(lambda n: n.weight, new, weight)
    return new if new.bias is None else eqx.tree_at(lambda n: n.bias, new, layer.bias)


class Method(NamedTuple):
    """What a form does.

    Attributes:
        takes: Whether it takes a layer.
        kinds: Which layers those are, in words.
        unfold: The matrices of each group that each rank is the rank of.
        factor: From a layer and its ranks to the factors.
    """

    takes: Callable[[Any], bool]
    kinds: str
    unfold: Callable[[Any], tuple[Float[np.ndarray, "_groups _rows _columns"], ...]]
    factor: Callable[..., FactoredLayer]


def _takes_any(layer: Any) -> bool:
    return is_linear(layer) or is_convolution(layer)


def _takes_whole(layer: Any) -> bool:
    return is_convolution(layer) and layer.groups == 1


ANY, WHOLE = "an equinox.nn.Linear or Conv2d", "an equinox.nn.Conv2d in one group"
METHODS = {
    "pca": Method(_takes_any, ANY, lambda layer: (_filters(layer),), _pca),
    "svd": Method(_takes_any, ANY, lambda layer: (_filters(layer),), partial(_pca, even=True)),
    "tucker2": Method(_takes_whole, WHOLE, _channels, _tucker2),
    "separable": Method(_takes_whole, WHOLE, lambda layer: (_lines(layer),), _separable),
}
