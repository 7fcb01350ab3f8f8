"""Which reading of stored layers is meant: the only one there is, or the one that is said.

What tells without being asked: the length of a bias says which axis receives; the name `kernel`
says the last, as in Flax and Keras; numbers in names, such as `fc2` or `layers.10`, say the order,
but not those that frameworks append by themselves (`Dense_1`, `linear_1`), which count layers as
they are made and not as they are called. The name `weight` says nothing: beside PyTorch's linear
layers stand the Conv1D of transformers, transposed convolutions and tables of embeddings, which
have receivers last. So a square matrix is asked for, unless the matrices are a list without biases,
or others of its kind, of the same last name and with or without a bias as it is, are not square: a
mapping keeps one kind in one way.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from topokit.files._branches import check_one_chain
from topokit.files._reading_questions import no_chain, question
from topokit.files._readings import (
    Arrangement,
    Network,
    digest,
    in_count,
    network,
    precedes_in_count,
    readings,
    shape,
)
from topokit.files._said import Said, keeps, rule_of_order
from topokit.files._stored_arrays import shape_of
from topokit.files._stored_layers import StoredLayer, in_groups

MOST_CANDIDATES = 8


def settle(layers: Sequence[StoredLayer], said: Said) -> Network:
    """The one network that the layers can be.

    Raises:
        ValueError: If they can be several, or none.
    """
    _check_transpose(said.transpose, len(layers))
    told = [_told(layer) for layer in layers]
    layers = [
        layer._replace(turned=_turned(layer, place, said)) for place, layer in enumerate(layers)
    ]
    layers = layers if said.listed else [_as_its_kind(layer, layers) for layer in layers]
    found = list(islice(_distinct(_candidates(layers, said)), 2))
    if not found or said.listed and _is_turned_alone(found, layers):
        raise ValueError(no_chain(layers, told, said))
    if len(found) > 1:
        raise ValueError(question(found, layers, said))
    check_one_chain(found[0], layers, said)
    _check_groups(found[0], layers)
    return found[0]


def _is_turned_alone(found: Sequence[Network], layers: Sequence[StoredLayer]) -> bool:
    """Whether a list chains the other way only, as it also does if its last layer comes first."""
    return len(found) == 1 and any(
        k.turned is None and t for k, t in zip(layers, found[0].turned, strict=True)
    )


def _check_transpose(transpose: bool | Sequence[bool] | None, depth: int) -> None:
    flags = transpose if isinstance(transpose, list | tuple) else [transpose]
    kinds = (True, False) if isinstance(transpose, list | tuple) else (True, False, None)
    if any(not isinstance(flag, bool | None) or flag not in kinds for flag in flags):
        raise ValueError(
            f"transpose must be True, False or None, or a list of one for each layer; given "
            f"{transpose!r}"
        )
    if isinstance(transpose, list | tuple) and len(transpose) != depth:
        raise ValueError(f"transpose has {len(transpose)} entries for {depth} layers")


def _turned(layer: StoredLayer, place: int, said: Said) -> bool | None:
    """Whether receivers lie on the first axis of a layer, where it is said or told."""
    if said.transpose is None:
        return _told(layer)
    turned = said.transpose if isinstance(said.transpose, bool) else said.transpose[place]
    _check_bias(layer, turned)
    return turned


def _told(layer: StoredLayer) -> bool | None:
    """Which axis receives, by the name `kernel` or by the length of the bias."""
    if layer.turned is not None or layer.bias is None:
        return layer.turned
    first, last = (n == layer.bias[1] for n in shape_of(layer.matrix))
    if not first and not last:
        name, numbers = layer.bias
        raise ValueError(
            f"{name} has {numbers} numbers, but neither axis of {layer.label}, of shape "
            f"{layer.matrix.shape}, has as many; a grouped convolution needs groups=, and what is "
            "no bias has to be left out of weights"
        )
    return None if first and last else first


def _as_its_kind(layer: StoredLayer, layers: Sequence[StoredLayer]) -> StoredLayer:
    """A layer of which nothing tells the axes, with those of the others of its kind that tell."""
    if layer.turned is not None or not _is_square(layer):
        return layer
    told = {k.turned for k in _of_kind(layer, layers)} - {None}
    return layer._replace(turned=told.pop()) if len(told) == 1 else layer


def _of_kind(layer: StoredLayer, layers: Sequence[StoredLayer]) -> list[StoredLayer]:
    """The layers that are not square and kept as this one is."""
    kind = _kind(layer)
    return [k for k in layers if not _is_square(k) and _kind(k) == kind]


def _kind(layer: StoredLayer) -> tuple[str, bool, bool]:
    return layer.word.lower(), layer.convolved, layer.bias is None


def _is_square(layer: StoredLayer) -> bool:
    return len(set(shape_of(layer.matrix))) == 1


def _check_bias(layer: StoredLayer, turned: bool) -> None:
    receivers = shape(layer, turned)[1]
    if layer.bias is not None and receivers != layer.bias[1]:
        name, numbers = layer.bias
        raise ValueError(
            f"transpose={turned} gives {layer.label} {receivers} receivers, but {name} has "
            f"{numbers} numbers; say transpose=[...], one for each layer, or leave {name} out"
        )


def _candidates(layers: Sequence[StoredLayer], said: Said) -> Iterator[Network]:
    """The networks that could be meant: all that is open turned alike, then one square apart."""
    alike = list(islice(_turned_alike(layers, said), MOST_CANDIDATES))
    yield from alike
    if not said.listed or any(layer.bias for layer in layers):
        squares = {k.name: k for k in layers if k.turned is None and _is_square(k)}
        for found in alike[:1]:
            turned = dict(zip(found.names, found.turned, strict=True))
            for place, name in enumerate(found.names):
                if name in squares:
                    kind = [] if said.listed else _of_kind(squares[name], layers)
                    if {turned[k.name] for k in kind} != {turned[name]}:
                        yield found.with_turned(place)


def _turned_alike(layers: Sequence[StoredLayer], said: Said) -> Iterator[Network]:
    """Networks all of whose open layers are turned alike, those in the given order first."""
    uniform = [
        tuple(all_turned if layer.turned is None else layer.turned for layer in layers)
        for all_turned in ((False, True) if said.listed else (True, False))
    ]
    ways = list(dict.fromkeys(uniform))
    before = rule_of_order(layers, said)
    given = [r for turned in ways for r in readings(layers, turned, None)]
    if before is None:
        yield from (network(layers, reading) for reading in given)
        return
    found = [r for turned in ways for r in islice(readings(layers, turned, before), 3)]
    fitting = [r for r in given if keeps(layers, r, before)]
    fitting += [r for turned in ways for r in _in_count(layers, turned)]
    yield from (network(layers, reading) for reading in [*fitting, *found])


def _in_count(layers: Sequence[StoredLayer], turned: Sequence[bool]) -> list[Arrangement]:
    """The reading in the order of all numbers in names, if these say one."""
    found = islice(readings(layers, turned, precedes_in_count), 1)
    return [r for r in found if in_count([layers[n].name for n in r.order])]


def _distinct(networks: Iterator[Network]) -> Iterator[Network]:
    """Without those that differ in the axes alone, and not in what feeds what.

    Two orders stay two even if they make one network: layers that can stand for each other may be
    copies, or stand side by side.
    """
    seen = set()
    for found in networks:
        kind = (found.names, *map(digest, found.matrices))
        if kind not in seen:
            seen.add(kind)
            yield found


def _check_groups(found: Network, layers: Sequence[StoredLayer]) -> None:
    """Refuse a convolution at an end of the chain whose groups only the caller knows."""
    by_name = {layer.name: layer for layer in layers}
    for end, axis in ((0, 0), (-1, 1)):
        layer, turned = by_name[found.names[end]], found.turned[end]
        lengthened = layer.grouped
        if lengthened is None or lengthened != (1 - axis if turned else axis):
            continue
        rows = shape_of(layer.matrix)[1 - lengthened]
        groups = next(n for n in range(2, rows + 1) if rows % n == 0)
        whole = in_groups(layer.label, layer.matrix, groups, rows=lengthened == 1)
        matrices = [*found.matrices]
        matrices[end] = layer._replace(matrix=whole).feeding(turned)
        other = found._replace(matrices=tuple(matrices))
        raise ValueError(
            f"{layer.label} may be a grouped convolution, which its numbers do not tell: "
            f"{found}, groups=1, or {other}, groups={{{layer.name!r}: {groups}}}, or with another "
            f"number of groups; say which"
        )
