"""A model whose layers are taken apart into products of low rank."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from topokit._records import brief
from topokit.networks._factored_layer import FactoredLayer, is_convolution, is_linear
from topokit.networks._low_rank_forms import LowRankForm, pca
from topokit.networks._sparsify import named_nodes, with_nodes

Model = TypeVar("Model")


def decompose(model: Model, form: LowRankForm | Mapping[str, LowRankForm]) -> Model:
    """Take layers of a trained model apart, so that it can be made smaller, and trained further.

    A dense layer or a convolution becomes a `FactoredLayer` of two of them (`pca`, `svd`,
    `separable`) or of three (`tucker2`). At a share of 1 the model is the same up to rounding.

    Args:
        model: Any Equinox model.
        form: How every layer that it takes is taken apart, such as `pca(0.95)`; or a mapping from
            names of layers, such as `filter_ranks` lists them, to forms: the others stay.

    Returns:
        The model with these layers in the places of the old ones, of the same types of numbers.

    Raises:
        ValueError: If a name is not in the model, or stands for a layer that its form does not
            take; if no name is given, or the form takes no layer at all; if a layer has no room
            for a rank, or weights that are not finite.

    Warns:
        RuntimeWarning: If the product of a layer has more weights than the layer, and so is slower;
            name the others, or take a smaller share.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> forms = {"layers.4": networks.pca(rank=5), "layers.8": networks.svd(rank=20)}
        >>> small = networks.decompose(model, forms)
        >>> small(jax.numpy.ones((1, 28, 28))).shape
        (10,)
        >>> networks.n_parameters(small), networks.n_parameters(model)
        (22536, 61706)

    See Also:
        `force`, which makes the ranks small; `filter_ranks`, to look before; `decomposed_speed`,
        to measure afterwards; `kernel_topologies`, which makes wirings of it.
    """
    found = _layers(model)
    forms = dict(form) if isinstance(form, Mapping) else _everywhere(form, found)
    if not forms:
        raise ValueError(
            "form must name a layer at least, or be one form for all; given none of the model's "
            f"{list(found)}"
        )
    new = {name: _apart(name, each, found) for name, each in forms.items()}
    larger = [name for name, each in new.items() if each.n_weights > found[name].weight.size]
    if larger:
        warnings.warn(
            f"products of {', '.join(larger)} have more weights than the layers, and are slower: "
            "leave these layers out, or take a smaller share",
            RuntimeWarning,
            stacklevel=2,
        )
    return with_nodes(model, new, _can_be_apart)


def filter_ranks(model: Any, share: float | None = None) -> dict[str, int]:
    """The rank of the filters of each dense layer and convolution, by the rank rule of `pca`.

    Args:
        model: Any Equinox model.
        share: The share of the sum of the eigenvalues that is kept at least, in (0, 1]; .95 if
            None.

    Returns:
        Ranks by the names of layers: at most as many as there are filters, or entries of each.

    Raises:
        ValueError: If the share is out of range, or weights of a layer are not finite or all 0.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> list(networks.filter_ranks(model))
        ['layers.1', 'layers.4', 'layers.8', 'layers.10', 'layers.12']
        >>> networks.filter_ranks(model, 1.0)["layers.4"]
        16

    See Also:
        `decompose`, which takes the layers apart; `force`, which lowers the ranks.
    """
    form, found = pca(share), _layers(model)
    return {name: _named(name, form.ranks_of, layer)[0] for name, layer in found.items()}


def _layers(model: Any) -> dict[str, Any]:
    return {name: layer for name, _, layer in named_nodes(model, _can_be_apart)}


def _can_be_apart(node: Any) -> bool:
    return is_linear(node) or is_convolution(node)


def _check_form(form: Any) -> None:
    if not isinstance(form, LowRankForm):
        raise ValueError(
            "form must be one such as topokit.networks.pca(0.95), or a dict from names of layers "
            f"to such; given {brief(form)}"
        )


def _everywhere(form: LowRankForm, found: Mapping[str, Any]) -> dict[str, LowRankForm]:
    _check_form(form)
    forms = {name: form for name, layer in found.items() if form.takes(layer)}
    if not forms:
        raise ValueError(f"{form.name} takes no layer of the model; its layers are {list(found)}")
    return forms


def _apart(name: str, form: LowRankForm, found: Mapping[str, Any]) -> FactoredLayer:
    _check_form(form)
    if name not in found:
        raise ValueError(f"the model has no layer {name!r}; its layers are {list(found)}")
    return _named(name, form, found[name])


def _named(name: str, call: Callable[[Any], Any], layer: Any) -> Any:
    """What a call makes of a layer; what it refuses is told with the layer's name."""
    try:
        return call(layer)
    except ValueError as error:
        raise ValueError(f"{name}: {error}" if name else str(error)) from error
