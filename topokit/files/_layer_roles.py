"""Which arrays of a mapping make a layer, by their names and shapes, and which do not.

A matrix is made of one array or of several that are multiplied: weights and their mask, or the
direction and the length that weight norm keeps. What PyTorch calls `x_orig` and
`parametrizations.x.original` are parts of `x`, the name under which it counts here. An array whose
part in the network its name does not tell is never passed over, unless it is a vector.
"""

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

from topokit.files._named_leaves import Named, components, label
from topokit.files._stored_arrays import is_array, shape_of, stored

Shapes = Mapping[str, tuple[int, ...]]

# What a part of a name says that rules a layer of a chain out, and what to do then.
NO_LAYERS = {
    r"lora|loha|lokr|hada|ia3|adapter|dora": (
        "is part of an adapter, which is added to a weight; merge it first, as merge_and_unload() "
        "of peft does"
    ),
    r"(weight|kernel)_(ih|hh)|recurrent|.*(lstm|rnn|(gru|mgu|simple)_?cell)|gru(_|\d|$)"
    r"|(h[ifgrzn]|i[ifgrz])$": "is of a recurrent layer, whose weights serve every step",
    r"in_proj_weight|(query|key|value|qkv|[qkv]_proj|w[qkvo])$|attn|attention": (
        "is of an attention, which multiplies activations and is no chain of layers"
    ),
    r"exp_avg|square_avg|momentum_buffer|(mu|nu|trace)$": (
        "is what an optimizer keeps beside the weights"
    ),
    r"embed|wte$|wpe$": "is a table of embeddings, of which a token takes one row",
    r"(experts?|heads|head_?\d+|branch(es)?|towers?|members?|ensemble|tasks?|streams?)_?\d*$": (
        "is one of several side by side"
    ),
    r"gate(s|_proj)?$|wi_[01]$": "is of a gate, which multiplies activations",
    r"(skip|shortcut|residual|downsample)": "is of a connection that skips layers",
}
OPTIMIZER = r"opt(im(izers?)?)?(_?states?)?(_?dict)?"
QUANTIZED = r"fake_quant|qweight|qzeros|packed_params|absmax|quant_map|quant_state|^SCB$|zero_point"
LAYER_WORD = r"(.*_)?(weights?|kernel|w)(\d*)"
BIAS_WORD = r"(.*_)?(bias(es)?|b|beta|offset)(_orig)?\d*"
PARAMETRIZED = (
    "is parametrized by a function that is not in the file, such as a sparsifier's mask; call "
    "torch.nn.utils.parametrize.remove_parametrizations(module, name) or squash_mask() of the "
    "sparsifier first, or give the mask that multiplies it as masks={...}"
)
UNMASKED = (
    "is kept as it was before pruning, without the mask, as named_parameters() does; give the "
    "whole state_dict(), or the mask as masks={...}"
)
GATED = (
    "is one of w1, w2 and w3, in the shapes of a gated layer w2 (f(w1 x) * w3 x), which is no chain"
)
PLAIN = (type(None), str, bytes, bool, int, float, complex, type)


class Factors(NamedTuple):
    """The arrays, by name, that are multiplied to the matrix of a layer; the first has its shape.

    `hidden` is None, or says what is multiplied as well that the mapping does not hold.
    """

    arrays: tuple[str, ...]
    hidden: str | None = None


class Roles(NamedTuple):
    """What the arrays of a mapping are.

    `layers` and `composed`, layers of several arrays, by name; `masks` with what they multiply, if
    their name tells; `unknown` what cannot be a layer, with the reason, or may be one.
    """

    layers: dict[str, Factors]
    composed: dict[str, Factors]
    masks: dict[str, str | None]
    unknown: dict[str, str]


def shapes_of(leaves: Named) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays of a mapping; numbers and text have none, other objects no place."""
    shapes = {}
    for name, leaf in leaves.items():
        if is_array(leaf):
            shapes[name] = _shape(label(name), leaf)
        elif not isinstance(leaf, PLAIN) and not callable(leaf) and not _is_dtype(leaf):
            raise ValueError(
                f"{label(name)} is of {type(leaf).__name__}, which is no array; leave it out of "
                "weights, or put the array that it stands for in its place"
            )
    return shapes


def _is_dtype(leaf: Any) -> bool:
    return type(leaf).__name__ == "dtype"


def _shape(shown: str, leaf: Any) -> tuple[int, ...]:
    """The shape of an array, without a look at its numbers where it tells."""
    try:
        shape = getattr(leaf, "shape", None)
    except RuntimeError as error:
        raise ValueError(f"{shown} is an array without a shape: {error}") from error
    return shape_of(stored(shown, leaf)) if shape is None else tuple(shape)


def roles(shapes: Shapes) -> Roles:
    """Sort the arrays of a mapping by what they are."""
    kept = [name for name in shapes if not _is_of_optimizer(name)]
    composed = {n: f for name in kept if (n := _whole(name)) and (f := _factors(n, name, shapes))}
    taken = {name for factors in composed.values() for name in factors.arrays}
    matrices = [n for n in kept if n not in taken and not _is_vector(n, shapes[n])]
    masks = [n for n in kept if n not in taken and _is_mask(n)]
    plain = [n for n in matrices if n not in masks] if composed else _beside(matrices, masks)
    known = [n for n in plain if re.fullmatch(LAYER_WORD, components(n)[-1], re.IGNORECASE)]
    layers = {n: Factors((n,)) for n in known or (() if composed else plain)}
    layers = _in_order(kept, layers | composed)
    reasons = {n: _reason(n) for n in [*plain, *composed]}
    reasons |= _gated(layers, shapes) | _heads(layers)
    unknown = {n: why or "" for n, why in reasons.items() if why or n not in layers}
    targets = targets_of([n for n in masks if n not in layers], layers, shapes)
    kept_layers = {n: f for n, f in layers.items() if n not in unknown}
    return Roles(kept_layers, composed, targets, unknown)


def targets_of(
    masks: Iterable[str], layers: Mapping[str, Any], shapes: Shapes
) -> dict[str, str | None]:
    """What masks multiply, where their names tell."""
    return {mask: _target(mask, layers, shapes) for mask in masks}


def bias_of(name: str, shapes: Shapes) -> tuple[str, int] | None:
    """The bias beside a layer and how many numbers it has."""
    last = components(name)[-1]
    match = re.fullmatch(LAYER_WORD, last, re.IGNORECASE)
    if match is None:
        return None
    start, end = name.removesuffix(":0").removesuffix(last), ":0" * name.endswith(":0")
    for word in ("bias", "b", "biases", "B"):
        for bias in (f"{start}{match[1] or ''}{word}{match[3]}{w}{end}" for w in ("", "_orig")):
            if bias in shapes and _is_vector(bias, shapes[bias]):
                return bias, prod(shapes[bias])
    return None


def quantizations(names: Iterable[str]) -> list[str]:
    """The arrays that say that the numbers beside them stand for others."""
    return [n for n in names if any(re.search(QUANTIZED, c) for c in components(n))]


def quantization_of(name: str, quantized: Iterable[str]) -> str | None:
    """Of such arrays the first one beside a layer."""
    owner = components(name)[:-1]
    return next((n for n in quantized if components(n)[: len(owner)] == owner), None)


def _whole(name: str) -> str | None:
    """The `x` of which an array is the first part, if its name says so."""
    if name.endswith("_orig"):
        return name.removesuffix("_orig")
    if name.endswith("_v"):
        return name.removesuffix("_v")
    match = re.fullmatch(r"(.*?)parametrizations[./](\w+)[./]original1?", name)
    return match[1] + match[2] if match else None


def _factors(whole: str, name: str, shapes: Shapes) -> Factors | None:
    """All parts of `whole`, whose first part is `name`; None if that is a vector or no part."""
    if _is_vector(name, shapes[name]) and len(shapes[name]) < 2:
        return None
    if name.endswith("_v"):
        return _normed(name, f"{whole}_g", shapes)
    if name.endswith("_orig"):
        if f"{whole}_mask" in shapes:
            return Factors((name, f"{whole}_mask"))
        return Factors((name,), None if f"{whole}_u" in shapes else UNMASKED)
    stem = re.sub(r"original1?$", "", name)
    others = {n: n.removeprefix(stem) for n in shapes if n.startswith(stem) and n != name}
    masks = tuple(n for n, rest in others.items() if re.fullmatch(r"\d+[./]mask", rest))
    spectral = [n for n, rest in others.items() if re.fullmatch(r"\d+[./]_[uv]", rest)]
    length = [n for n, rest in others.items() if rest == "original0"]
    strange = set(others) - {*masks, *spectral, *length}
    if name.endswith("1") and (not length or _normed(name, length[0], shapes) is None):
        return None
    told = masks or spectral or length
    return Factors((name, *length, *masks), None if told and not strange else PARAMETRIZED)


def _normed(direction: str, length: str, shapes: Shapes) -> Factors | None:
    """Of weight norm, whose lengths have the shape of the directions but for axes of 1."""
    if length not in shapes:
        return None
    short, long = shapes[length], shapes[direction]
    fits = not short or len(short) == len(long) and all(
        a in (1, b) for a, b in zip(short, long, strict=True)
    )  # fmt: skip
    return Factors((direction, length)) if fits else None


def _is_vector(name: str, shape: tuple[int, ...]) -> bool:
    """Whether an array has one axis at most, or is a bias with others of length 1."""
    named_so = re.fullmatch(BIAS_WORD, components(name)[-1], re.IGNORECASE)
    return len(shape) < 2 or bool(named_so) and sum(n != 1 for n in shape) < 2


def _is_of_optimizer(name: str) -> bool:
    parts = components(name)
    return not _is_mask(name) and any(re.fullmatch(OPTIMIZER, part) for part in parts)


def _is_mask(name: str) -> bool:
    *owners, last = components(name)
    return bool(re.fullmatch(r"(.*_)?masks?|mask_.*", last)) or bool({"mask", "masks"} & {*owners})


def _beside(matrices: list[str], masks: list[str]) -> list[str]:
    """Without the masks, unless nothing but masks is given."""
    return [n for n in matrices if n not in masks] or matrices


def _reason(name: str) -> str | None:
    told = (
        why
        for part in components(name)
        for pattern, why in NO_LAYERS.items()
        if re.match(rf"(.*_)?({pattern})", part, re.IGNORECASE)
    )
    return next(told, None)


def _gated(layers: Mapping[str, Factors], shapes: Shapes) -> dict[str, str]:
    """Three layers w1, w2, w3 that may be one gated layer, w2 (f(w1 x) * w3 x), as in Llama."""
    found = {}
    for name in layers:
        parts = components(name)
        if "w3" in parts:
            three = [re.sub(r"\bw3\b", f"w{n}", name) for n in (1, 2, 3)]
            if not {*three} <= {*layers} or re.sub(r"\bw3\b", "w4", name) in layers:
                continue
            one, two, last = (shapes[layers[n].arrays[0]] for n in three)
            if one == last == two[1::-1] + two[2:]:
                found |= dict.fromkeys(three, GATED)
    return found


def _heads(layers: Iterable[str]) -> dict[str, str]:
    """Layers of several heads, such as `policy_head` and `value_head`."""
    owners = {
        name: components(name)[: n + 1]
        for name in layers
        for n, part in enumerate(components(name))
        if "head" in part.lower()
    }
    several = len({*owners.values()}) > 1
    return dict.fromkeys(owners, "is one of several heads, side by side") if several else {}


def _in_order(kept: list[str], layers: dict[str, Factors]) -> dict[str, Factors]:
    places = {name: place for place, name in enumerate(kept)}
    first = {name: places[factors.arrays[0]] for name, factors in layers.items()}
    return {name: layers[name] for name in sorted(layers, key=first.__getitem__)}


def _target(mask: str, layers: Mapping[str, Any], shapes: Shapes) -> str | None:
    """What a mask multiplies: the one layer, or vector, that its name fits."""
    found = [name for name in layers if _fits(mask, name)]
    vectors = [n for n in shapes if n != mask and len(shapes[n]) < 2 and _fits(mask, n)]
    vectors += [n for n in shapes if n == mask.replace("_mask", "_orig") and len(shapes[n]) < 2]
    return found[0] if len(found) == 1 else vectors[0] if vectors and not found else None


def _fits(mask: str, name: str) -> bool:
    """Whether a mask is that of an array by its name.

    As `masks/fc1/kernel` is of `params/fc1/kernel`, `weight_mask` and `weight/mask` of `weight`,
    and `mask` of what stands beside it.
    """
    *owner, last = components(mask)
    parts = components(name)
    at = next((n for n, part in enumerate(owner) if part in ("mask", "masks")), None)
    if at is not None:
        tail = (*owner[at + 1 :], last)
        return parts[-len(tail) :] == tail
    stem = re.sub(r"_?masks?$|^mask_", "", last)
    if stem:
        return parts == (*owner, stem)
    return parts == (*owner,) or parts[:-1] == (*owner,)
