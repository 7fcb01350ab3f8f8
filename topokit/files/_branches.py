"""Layers that chain and may lie side by side, such as the heads of an actor and of a critic.

Numbers in names say which layer of a row comes next; nothing says it of `actor` and `critic`. If
the first layer of another name has as many senders as an earlier array of neurons in the chain, it
can be fed by that as well, and the layers are a tree.
"""

from collections.abc import Sequence
from itertools import pairwise

from topokit.files._readings import Network, few, in_a_row, precedes_in_count
from topokit.files._said import Said, rule_of_order
from topokit.files._stored_layers import StoredLayer


def check_one_chain(found: Network, layers: Sequence[StoredLayer], said: Said) -> None:
    """Refuse a chain that is a tree as well, unless the caller says its order."""
    if rule_of_order(layers, said) is None:
        return
    same_row = precedes_in_count if said.order == "numbers" else in_a_row
    widths, names = found.widths, found.names
    starts = [n for n, (a, b) in enumerate(pairwise(names), 1) if not same_row(a, b)]
    open_starts = {n: widths.index(widths[n]) for n in starts if widths[n] in widths[:n]}
    if not open_starts:
        return
    given = said.ordered and names == tuple(layer.name for layer in layers)
    cure = 'order="given"' if given else f"names={few([*names])}"
    pairs = [f"{names[n]!r} beside {names[first]!r}" for n, first in open_starts.items()]
    raise ValueError(
        f"weights can be read as one chain of {found}, {cure}, or as branches, with "
        f"{', '.join(pairs[:2])}; say {cure} if they are one chain, or names=[...], the layers of "
        "one branch, in order"
    )
