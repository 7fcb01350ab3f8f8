"""The stored layers of a list or a mapping of arrays, and the questions that names leave open."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topokit._checks import check_count
from topokit.files._layer_roles import (
    LAYER_WORD,
    Factors,
    Roles,
    bias_of,
    quantization_of,
    quantizations,
    shapes_of,
    targets_of,
)
from topokit.files._layer_roles import roles as roles_of
from topokit.files._named_leaves import Named, components, label, named_leaves, read_named
from topokit.files._stored_arrays import Stored, shape_of, stored
from topokit.files._stored_layers import StoredLayer, stored_layer

# A network in words under other names and masks, None if there is none.
Attempt = Callable[[Sequence[str], Mapping[str, str]], str | None]


class Choices(NamedTuple):
    """What the caller says of single layers."""

    names: Sequence[str] | None
    masks: Any
    groups: int | Mapping[str, int] | None
    transpose: bool | Sequence[bool] | None


def listed_layers(weights: Any, choices: Choices) -> list[StoredLayer]:
    """The layers of a list of matrices, each with the vector that follows it as its bias."""
    if choices.names is not None:
        raise ValueError("names choose from a mapping or a file; put a list in order instead")
    if not isinstance(weights, Iterable) or _instead("weights", weights):
        raise ValueError(
            "weights must be a list of matrices, a mapping from names to arrays, or the path of a "
            f"file; given {type(weights).__name__}{_instead('weights', weights)}"
        )
    arrays = {f"weights[{n}]": _item(f"weights[{n}]", item) for n, item in enumerate(weights)}
    if not arrays:
        raise ValueError("weights is empty: give one matrix for each layer")
    layers: dict[str, list[Stored]] = {}
    biases: dict[str, tuple[str, int]] = {}
    for name, array in arrays.items():
        shape = shape_of(array)
        if len(shape) == 1 and layers and (last := [*layers][-1]) not in biases:
            biases[last] = (name, shape[0])
        elif len(shape) != 1 or not layers:
            layers[name] = [array]
    for name, mask in zip(layers, _listed_masks(choices.masks, len(layers)), strict=True):
        if mask is not None:
            layers[name].append(_fitting(f"masks of {name}", stored(name, mask), layers[name][0]))
    return [
        _with_bias(_stored(name, name, "", parts, choices), biases.get(name))
        for name, parts in layers.items()
    ]


def _instead(name: str, given: Any) -> str:
    """What to give instead of a single matrix or of a model; nothing of a list."""
    if hasattr(given, "state_dict"):
        return f"; give its arrays, {name}.state_dict()"
    if hasattr(given, "shape"):
        return "; write [matrix] for a network of one layer"
    return "" if isinstance(given, Iterable) else "; give its arrays by name"


def _item(name: str, item: Any) -> Stored:
    if hasattr(item, "state_dict"):
        raise ValueError(f"{name} is of {type(item).__name__}, no matrix{_instead(name, item)}")
    if not isinstance(item, str | os.PathLike):
        return stored(name, item)
    arrays = read_named(Path(item))
    if len(arrays) != 1:
        raise ValueError(f"{name}: {item} holds {len(arrays)} arrays; a file in a list holds one")
    return stored(name, next(iter(arrays.values())))


def _listed_masks(masks: Any, depth: int) -> Sequence[Any]:
    if masks is None:
        return [None] * depth
    if isinstance(masks, Mapping | str) or not isinstance(masks, Sequence) or len(masks) != depth:
        raise ValueError(f"masks must be a list of {depth} arrays or None, one for each layer")
    return masks


def _with_bias(layer: StoredLayer, bias: tuple[str, int] | None) -> StoredLayer:
    """A vector of another length, such as the one slope of a PReLU, is no bias."""
    return layer._replace(bias=bias) if bias and bias[1] in shape_of(layer.matrix) else layer


def mapped_layers(leaves: Named, choices: Choices, attempt: Attempt) -> list[StoredLayer]:
    """The layers of a mapping: those that are named, or all if their names say that they are."""
    shapes = shapes_of(leaves) if choices.names is None else _shapes_where_arrays(leaves)
    roles = roles_of(shapes)
    masks = _named_masks(choices.masks, leaves, shapes)
    if choices.names is None:
        if not roles.layers and not roles.unknown:
            raise ValueError(f"weights holds no matrix; given {_listing(leaves)}")
        _check_known(roles, shapes, choices.masks or {}, attempt)
        chosen = roles.layers
    else:
        chosen = _named_layers(choices.names, roles, shapes)
        left = [mask for mask, layer in roles.masks.items() if layer is None and mask not in chosen]
        roles = roles._replace(masks=roles.masks | targets_of(left, chosen, shapes))
    for name in masks:
        if name not in chosen and name not in shapes:
            raise ValueError(f"masks names {name!r}, but the layers are {_listing(chosen)}")
    _check_groups_named(choices.groups, chosen)
    layers, tied = [], {}
    quantized = quantizations(shapes)
    scales = [s for s in leaves if components(s)[-1].endswith("scale")]
    for name, factors in chosen.items():
        _check_whole(name, factors, quantized, masks)
        parts = _parts(name, factors, leaves, roles, masks, scales)
        _check_tied(name, parts[0], tied)
        layer = _stored(label(name), name, _word(name), parts, choices)
        bias = bias_of(name, shapes)
        layers.append(layer._replace(bias=bias and (label(bias[0]), bias[1])))
    return layers


def _shapes_where_arrays(leaves: Named) -> dict[str, tuple[int, ...]]:
    """Of a mapping from which layers are named, what is no array is of no interest."""
    found = {}
    for name, leaf in leaves.items():
        try:
            found |= shapes_of({name: leaf})
        except ValueError:
            continue
    return found


def _named_layers(names: Any, roles: Roles, shapes: Mapping[str, Any]) -> dict[str, Factors]:
    if isinstance(names, str) or not names:
        raise ValueError(f"names must be a list of names, one for each layer; given {names!r}")
    taken = {part for factors in roles.composed.values() for part in factors.arrays}
    offered = {n: Factors((n,)) for n in shapes if n not in taken} | roles.composed
    for place, name in enumerate(names):
        if name not in offered:
            raise ValueError(f"names[{place}] is {name!r}, but weights has {_listing(offered)}")
        if name in names[:place]:
            raise ValueError(f"names[{place}] is {name!r} again; a layer can be named once")
    return {name: offered[name] for name in names}


def _named_masks(masks: Any, leaves: Named, shapes: Mapping[str, Any]) -> dict[str, Stored | None]:
    """By the name of a layer, the mask that the caller names or gives, or None for no mask."""
    if masks is None:
        return {}
    if not isinstance(masks, Mapping):
        raise ValueError(
            "masks of a mapping must be one from the names of layers to the names of their masks, "
            f"to arrays or to None; given {type(masks).__name__}"
        )
    found: dict[str, Stored | None] = {}
    for name, mask in named_leaves(masks).items():
        if isinstance(mask, str) and mask not in shapes:
            raise ValueError(f"masks[{name!r}] is {mask!r}, but weights has {_listing(shapes)}")
        value = leaves[mask] if isinstance(mask, str) else mask
        found[name] = None if value is None else stored(f"masks[{name!r}]", value)
    return {n: m for n, m in found.items() if m is not None or n in shapes}


def _check_known(
    roles: Roles, shapes: Mapping[str, Any], masks: Mapping[str, Any], attempt: Attempt
) -> None:
    """Refuse arrays of two axes or more, and masks, whose part in the network no name tells."""
    quantized = quantizations(shapes)
    for name, factors in roles.layers.items():
        _check_whole(name, factors, quantized, masks)
    for name in (n for n, why in roles.unknown.items() if why):
        such = f", such as {_listing(roles.layers)}" if roles.layers else ""
        raise ValueError(
            f"{label(name)} {roles.unknown[name]}; names=[...] takes the layers alone that feed "
            f"each other{such}"
        )
    given = {m for m in masks.values() if isinstance(m, str)}
    for name in [*roles.unknown, *(m for m, layer in roles.masks.items() if layer is None)]:
        if name not in given:
            raise ValueError(_question(name, roles, shapes, attempt))


def _question(name: str, roles: Roles, shapes: Mapping[str, Any], attempt: Attempt) -> str:
    """What an array can be: the mask of a layer of its shape, a layer, or neither."""
    layers = [*roles.layers]
    ways: list[tuple[str, Sequence[str], dict[str, str]]] = [
        (f"masks={{{layer!r}: {name!r}}}", layers, {layer: name})
        for layer in layers
        if shapes[roles.layers[layer].arrays[0]] == shapes[name]
    ]
    order = [n for n in shapes if n == name or n in layers]
    ways += [(f"names={order}", order, {}), (f"names={layers}", layers, {})]
    told = [(words, attempt(names, masks)) for words, names, masks in ways]
    readings = [f"{found} with {words}" for words, found in told if found is not None]
    return (
        f"the name of {label(name)}, of shape {shapes[name]}, does not tell what it is: weights "
        f"can be read as {', or as '.join(readings) or 'no network that chains'}; say which, with "
        "masks={layer: mask} or with names=[...], the layers in order"
    )


def _check_whole(
    name: str, factors: Factors, quantized: Sequence[str], masks: Mapping[str, Any]
) -> None:
    """Refuse a layer whose numbers the mapping does not hold as the module uses them."""
    if factors.hidden and masks.get(name) is None:
        raise ValueError(f"{label(name)} {factors.hidden}")
    beside = quantization_of(name, quantized)
    if beside is not None:
        raise ValueError(
            f"{label(beside)} says that {label(name)} is quantized, and what is not zero before "
            "may be zero after; put the numbers that the module computes with, dequantized, in its "
            "place and leave the rest out"
        )


def _parts(
    name: str,
    factors: Factors,
    leaves: Named,
    roles: Roles,
    masks: Mapping[str, Any],
    scales: Sequence[str],
) -> list[Stored]:
    """The arrays that are multiplied to a layer: its own, and its masks."""
    own = [stored(label(part), leaves[part]) for part in factors.arrays]
    found = [m for m, layer in roles.masks.items() if layer == name and name not in masks]
    beside = [(label(m), stored(label(m), leaves[m])) for m in found]
    if masks.get(name) is not None:
        beside.append((f"masks[{name!r}]", masks[name]))
    beside += [(label(p), a) for p, a in zip(factors.arrays, own, strict=True) if _masks(p)]
    for scale in (s for s in scales if _scales(name, s)):
        factor = stored(label(scale), leaves[scale])
        if isinstance(factor, np.ndarray) and not np.all(factor):
            raise ValueError(
                f"{label(scale)} holds zeros, which leave neurons of {label(name)} no edge; "
                "multiply them in"
            )
    return [*own, *(_fitting(mask_label, mask, own[0]) for mask_label, mask in beside)]


def _masks(part: str) -> bool:
    return components(part)[-1].endswith("mask")


def _scales(name: str, scale: str) -> bool:
    """Whether a vector multiplies a layer: a scale beside it, or one of Flax's weight norm."""
    *owner, last = components(scale)
    whole = components(name)
    if (*owner,) == whole[:-1] and last in ("scale", f"{whole[-1]}_scale"):
        return True
    return (
        last == "scale"
        and len(owner) > 1
        and any(
            tuple(owner[n:]) == whole[-len(owner) + n :] and len(owner) - n > 1
            for n in range(len(owner))
        )
    )


def _fitting(mask_label: str, mask: Stored, weights: Stored) -> Stored:
    if mask.shape != weights.shape:
        raise ValueError(f"{mask_label} has shape {mask.shape}, its weights have {weights.shape}")
    return mask


def _check_tied(name: str, array: Stored, seen: dict[bytes, str]) -> None:
    """Refuse one array of numbers under two names, also turned: a topology shares no weights."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != 2:
        return
    if len(np.unique(array[array != 0][:1000])) < 3:
        return
    kinds = {_content(array), _content(array.T)}
    for kind in kinds & seen.keys():
        raise ValueError(
            f"{label(seen[kind])} and {label(name)} hold the same numbers, as tied layers do, "
            "whose weights a topology would count twice; to take them as layers of their own, "
            "give a list of the matrices"
        )
    seen |= dict.fromkeys(kinds, name)


def _content(array: np.ndarray) -> bytes:
    whole = np.ascontiguousarray(array)
    return blake2b(str(whole.shape).encode() + whole.tobytes(), digest_size=16).digest()


def _word(name: str) -> str:
    """What the framework calls an array: `weight` of `fc1.weight`."""
    last = components(name)[-1]
    match = re.fullmatch(LAYER_WORD, last, re.IGNORECASE)
    return match[2] if match else last


def _check_groups_named(groups: Any, chosen: Iterable[str]) -> None:
    wrong = [n for n in groups if n not in [*chosen]] if isinstance(groups, Mapping) else []
    if wrong:
        raise ValueError(f"groups names {wrong[0]!r}, but the layers are {_listing(chosen)}")


def _stored(shown: str, name: str, word: str, parts: list[Stored], choices: Choices) -> StoredLayer:
    groups = choices.groups.get(name) if isinstance(choices.groups, Mapping) else choices.groups
    if groups is not None:
        groups = check_count(f"groups of {shown}", groups)
    first = word == "kernel" or choices.transpose is False
    return stored_layer(name, shown, word, parts, groups, space_first=first)


def _listing(names: Iterable[Any]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
