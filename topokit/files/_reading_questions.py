"""Questions: what layers can be read as, what settles it, and what would make a chain of them."""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, product

from topokit.files._readings import (
    Network,
    few,
    in_count,
    network,
    never,
    precedes,
    readings,
    shape,
)
from topokit.files._said import Said, rule_of_order
from topokit.files._stored_layers import StoredLayer

MOST_MIXED = 8
MOST_CURES = 2


def question(found: Sequence[Network], layers: Sequence[StoredLayer], said: Said) -> str:
    """Two networks, and what to say for each."""
    first, second = (f"{f}, {_settings(f, found, layers, said)}" for f in found[:2])
    inputs = "" if said.listed else ", or names=[...] if not all of these are layers of one chain"
    return f"weights can be read as {first}, or as {second}; say which{inputs}"


def _settings(
    one: Network, found: Sequence[Network], layers: Sequence[StoredLayer], said: Said
) -> str:
    order = _order(one, layers, said) if rule_of_order(layers, said) is not None else None
    if order is None and len({f.names for f in found}) > 1:
        order = f"names={few(list(one.names))}"
    words = [order] if order else []
    if any(layer.turned is None for layer in layers):
        in_reading = order is not None and order.startswith("names")
        by_name = dict(zip(one.names, one.turned, strict=True))
        names = one.names if in_reading else [layer.name for layer in layers]
        words.insert(0, f"transpose={few(_flags([by_name[name] for name in names]))}")
    return " and ".join(words)


def _order(one: Network, layers: Sequence[StoredLayer], said: Said) -> str | None:
    """What to say for the order of a network; None if its names say it."""
    if all(precedes(a, b) for a, b in pairwise(one.names)):
        return None
    if in_count(one.names):
        return 'order="numbers"'
    if said.ordered and one.names == tuple(layer.name for layer in layers):
        return 'order="given"'
    return f"names={few(list(one.names))}"


def no_chain(layers: Sequence[StoredLayer], told: Sequence[bool | None], said: Said) -> str:
    """Where the layers break, and what would make a chain of them without contradicting names."""
    base = not said.listed and any(k.turned is None and k.word == "weight" for k in layers)
    turned = tuple(base if layer.turned is None else layer.turned for layer in layers)
    rows = [(k.label, *shape(k, t), t) for k, t in zip(layers, turned, strict=True)]
    cures = _cures(layers, turned, told, said)
    broken = [(a, b) for a, b in pairwise(rows) if a[2] != b[1]]
    if not broken:
        return f"the numbers in the names say an order in which the layers do not chain{cures}"
    (before, _, receivers, t), (after, senders, _, _) = broken[0]
    return (
        f"{before} has {receivers} receivers but {after} has {senders} senders "
        f"(transpose={t}); they must be equal{cures}"
    )


def _cures(
    layers: Sequence[StoredLayer],
    turned: tuple[bool, ...],
    told: Sequence[bool | None],
    said: Said,
) -> str:
    if groups := _groups_that_chain(layers, turned):
        return f"; they chain with groups={groups}, if these are grouped convolutions"
    mixed = (r for ways in _other_ways(turned, told) for r in readings(layers, ways, None))
    if ways := [
        f"transpose={few(_flags(r.turned))}, {network(layers, r)}"
        for r in islice(mixed, MOST_CURES)
    ]:
        return f"; they chain with {', or with '.join(ways)}"
    if not said.listed:
        for reading in readings(layers, turned, never):
            found = network(layers, reading)
            return f"; they chain with names={few(list(found.names))}, {found}"
    return "" if said.listed else "; choose the layers that feed each other with names=[...]"


def _other_ways(
    turned: tuple[bool, ...], told: Sequence[bool | None]
) -> Iterator[tuple[bool, ...]]:
    """All layers the other way, then some of them, but none against what is told of it."""
    ways = product((False, True), repeat=len(turned)) if len(turned) <= MOST_MIXED else ()
    for way in dict.fromkeys((tuple(not t for t in turned), *ways)):
        if way != turned and all(t in (None, w) for t, w in zip(told, way, strict=True)):
            yield way


def _flags(turned: Sequence[bool]) -> bool | list[bool]:
    return turned[0] if len(set(turned)) == 1 else list(turned)


def _groups_that_chain(layers: Sequence[StoredLayer], turned: tuple[bool, ...]) -> dict[str, int]:
    """Groups of convolutions that make layers fit which do not without."""
    groups = {}
    for before, after, t, u in zip(layers, layers[1:], turned, turned[1:], strict=False):
        receivers, senders = shape(before, t)[1], shape(after, u)[0]
        if receivers == senders:
            continue
        lengthened = after.grouped == (1 if u else 0)
        if not lengthened or receivers % senders or shape(after, u)[1] % (receivers // senders):
            return {}
        groups[after.name] = receivers // senders
    return groups
