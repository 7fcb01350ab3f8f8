"""The topologies of a table: checked, compiled, and told apart by their arrays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import networkx as nx

from topokit._escapes import shown
from topokit._limits import TooLargeError
from topokit._names import check_name
from topokit.layers import Layers, to_layers
from topokit.ranking._content_keys import content_of
from topokit.reconstruction import check_number
from topokit.scores.counts import Label, label_of


@dataclass(frozen=True)
class Subject:
    """A topology as a table knows it; `content` is a hash of its arrays."""

    label: Label
    layers: Layers
    content: str


def subjects_of(topologies: Mapping[str, nx.DiGraph | Layers]) -> list[Subject]:
    """Check and compile all topologies; an error names the wrong one."""
    if not isinstance(topologies, Mapping):
        raise ValueError(
            f"topologies must be a dict {{name: topology}}; given {type(topologies).__name__}"
        )
    if not topologies:
        raise ValueError("topologies is empty: give at least one, {name: topology}")
    subjects = []
    for name, topology in topologies.items():
        check_name(name)
        with naming(name):
            layers = to_layers(topology)
        subjects.append(Subject(label_of(name, topology, layers), layers, content_of(layers)))
    return subjects


@contextmanager
def naming(name: str) -> Iterator[None]:
    """A ValueError in here says which topology it is about."""
    try:
        yield
    except ValueError as error:
        kind = TooLargeError if isinstance(error, TooLargeError) else ValueError
        raise kind(f"topology {shown(name)!r}: {error}") from error


def check_targets(subjects: Iterable[Subject], n_targets: int) -> None:
    """Refuse, before any is drawn, more targets than can be rebuilt; an error names a topology."""
    for one in subjects:
        with naming(one.label.name):
            check_number(one.layers, n_targets)


def labels_by_content(subjects: Iterable[Subject]) -> dict[str, list[Label]]:
    """What topologies of equal arrays are called."""
    labels = defaultdict(list)
    for subject in subjects:
        labels[subject.content].append(subject.label)
    return labels
