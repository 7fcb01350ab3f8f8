"""Networks in the challenge's files.

A layer is a file `n1024-l7.tsv` of lines `sender, receiver, weight`, by receiver; neurons are
numbered from 1, and tabs are between numbers. Files may be gzip, and may lie in one tar archive of
any compression.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from topokit._atomic import replacing
from topokit._checks import check_count
from topokit._limits import check_read
from topokit._tar_members import tar_members
from topokit._unpacked_streams import GZIP, UnpackedStream, unpacked_file
from topokit.challenge._challenge_network import (
    CONNECTIONS,
    COPIES,
    WEIGHT,
    ChallengeNetwork,
    bias_of,
)
from topokit.challenge._number_files import read_arrays, read_integers, reading

LAYER = re.compile(r"n([1-9]\d{,8})-l([1-9]\d{,8})\.tsv(\.gz)?")
IN_TABLES = 24  # bytes of memory that a class of a neuron takes
KEPT = 2**27  # numbers of layers that are kept after they were read


def read_network(path: str | Path, *, depth: int | None = None) -> ChallengeNetwork:
    """Read a network from its layers, files `n<neurons>-l<layer>.tsv` in a folder or an archive.

    The files of a folder are read when a layer is asked for, and checked then; an archive is read
    at once, 128 bytes a neuron and layer.

    Args:
        path: The folder, or the tar archive.
        depth: How many of its layers, from the first on; None for all.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If there are no layers, one is missing, or one is not a layer of the challenge:
            32 senders a neuron, each with the weight 1/16; or if there are fewer than `depth`.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> challenge.write_network(network, "network")
        >>> challenge.read_network("network", depth=4).depth
        4

    See Also:
        `plain_network`, made instead of read; `read_class_tables`, from a small file.
    """
    path = Path(path)
    if path.is_dir():
        found = {file.name: file for file in path.iterdir()}
        neurons, names = _layer_names(path, list(found))
        read = lru_cache(max(1, KEPT // (CONNECTIONS * neurons)))(
            lambda layer: _read_layer(found[names[layer]], neurons)
        )
    else:
        held = _read_archive(path)
        neurons, names = _layer_names(path, list(held))
        tables = [held[name] for name in names]
        read = tables.__getitem__
    layers = len(names) if depth is None else check_count("depth", depth, most=len(names))
    name = f"{path.name}: {neurons} neurons, {layers} layers"
    return ChallengeNetwork(name, neurons, layers, bias_of(neurons), read, layers)


def write_network(network: ChallengeNetwork, folder: str | Path) -> None:
    """Write a network into a folder, a file a layer, as the challenge's site has them.

    Args:
        network: Any network.
        folder: Made if it is not there. Each file appears whole or not at all.

    Raises:
        ValueError: If layers of another network are in the folder, and would be left beside these.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> challenge.write_network(network, "network")
        >>> challenge.read_network("network").depth
        8

    See Also:
        `read_network`, the way back.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    own = {f"n{network.neurons}-l{layer + 1}.tsv" for layer in range(network.depth)}
    others = sorted({f.name for f in folder.iterdir() if LAYER.fullmatch(f.name)} - own)
    if others:
        raise ValueError(f"{folder} has layers of another network, {others[0]}; give a new folder")
    for layer in range(network.depth):
        senders = network.senders(layer)
        receivers = np.repeat(np.arange(network.neurons), senders.shape[1])
        rows = np.stack([senders.ravel(), receivers], 1) + 1
        text = "".join(f"{i}\t{j}\t{WEIGHT:e}\n" for i, j in rows.tolist())
        with replacing(folder / f"n{network.neurons}-l{layer + 1}.tsv") as part:
            part.write_text(text)


def read_class_tables(path: str | Path, *, depth: int | None = None) -> ChallengeNetwork:
    """Read a permuted network from the classes of its neurons: a small file for a large network.

    Layer `k` of block `p` joins sender `i` and receiver `j` if `row_class[p, i] - col_class[p, j]`
    is 0 or `2^k`, modulo the number of classes.

    Args:
        path: An `.npz` file with the arrays `row_class` and `col_class`, `(blocks, neurons)`.
        depth: How many of its layers; None for all.

    Raises:
        ValueError: If it is no such file, or has fewer layers.

    Examples:
        >>> from topokit import challenge
        >>> import numpy as np
        >>> classes = np.repeat(np.arange(4), 16)[None]
        >>> np.savez("tables.npz", row_class=classes, col_class=classes)
        >>> network = challenge.read_class_tables("tables.npz")
        >>> network.depth, network.neurons
        (2, 64)

    See Also:
        `read_network`, from the layers themselves.
    """
    path = Path(path)
    tables = {"row_class": ("iu", 2), "col_class": ("iu", 2)}
    found = read_arrays(path, "tables of classes", **tables)
    size = sum(table.size for table in found.values())
    check_read(f"the tables of {path}", IN_TABLES * size, path.stat().st_size)
    rows, columns = (found[name].astype(np.int64) for name in tables)
    if rows.shape != columns.shape or not _possible(*rows.shape):
        raise ValueError(
            f"{path} must hold row_class and col_class of one shape (blocks, neurons), the latter "
            f"{COPIES} times a power of two; found {rows.shape} and {columns.shape}"
        )
    classes = rows.shape[1] // COPIES
    equal = np.repeat(np.arange(classes), COPIES)
    if any((np.sort(table, axis=1) != equal).any() for table in (rows, columns)):
        raise ValueError(
            f"{path}: each of {classes} classes must have {COPIES} neurons in every block"
        )
    strides = classes.bit_length() - 1
    longest = len(rows) * strides
    layers = longest if depth is None else check_count("depth", depth, most=longest)

    def senders(layer: int) -> Int[np.ndarray, "neurons fan_in"]:
        block, k = divmod(layer, strides)
        members = np.argsort(rows[block], kind="stable").reshape(classes, COPIES)
        pair = np.stack([columns[block], (columns[block] + 2**k) % classes], 1)
        return np.sort(members[pair].reshape(rows.shape[1], -1), axis=1).astype(np.int32)

    name = f"{path.name}: {rows.shape[1]} neurons, {layers} layers"
    return ChallengeNetwork(name, rows.shape[1], layers, bias_of(rows.shape[1]), senders, layers)


def _possible(blocks: int, neurons: int) -> bool:
    """Whether there are networks of so many neurons, in at least one block."""
    classes, rest = divmod(neurons, COPIES)
    return blocks > 0 and classes > 1 and not rest and not classes & (classes - 1)


def _layer_names(path: Path, names: list[str]) -> tuple[int, list[str]]:
    """The width, and the names of all layers in their order."""
    found = {name: match for name in names if (match := LAYER.fullmatch(name))}
    widths = sorted({int(match[1]) for match in found.values()})
    if len(widths) != 1:
        raise ValueError(
            f"{path} must hold the layers of one network, n1024-l1.tsv and so on; found those of "
            f"{widths or 'no'} neurons"
        )
    by_layer = {int(match[2]): name for name, match in found.items()}
    twice = sorted(set(found) - set(by_layer.values()))
    if twice:
        raise ValueError(f"{path} has a layer twice: {twice[0]} and {_twin(found, twice[0])}")
    missing = next((k for k in range(1, len(by_layer) + 1) if k not in by_layer), None)
    (neurons,) = widths
    if missing is not None:
        raise ValueError(f"{path} has no layer {missing}: n{neurons}-l{missing}.tsv is missing")
    return neurons, [by_layer[k] for k in range(1, len(by_layer) + 1)]


def _twin(found: dict[str, re.Match], name: str) -> str:
    return next(other for other in found if other != name and found[other][2] == found[name][2])


def _read_archive(path: Path) -> dict[str, Int[np.ndarray, "neurons fan_in"]]:
    found: dict[str, Int[np.ndarray, "neurons fan_in"]] = {}
    with reading(path, "a tar archive"), unpacked_file(path) as file:
        for member, part in tar_members(file):
            name = Path(member).name
            if name in found:
                raise ValueError(f"it has {name} twice")
            match = LAYER.fullmatch(name)
            if match and part is None:
                raise ValueError(f"its {name} is a link; pack the file itself")
            if match:
                lines = UnpackedStream(part, name, file.stored, GZIP if match[3] else None)
                found[name] = _senders(Path(name), lines, int(match[1]))
                held = len(found) * found[name].nbytes
                check_read(f"the layers of {path}", held, file.stored)
    return found


def _read_layer(path: Path, neurons: int) -> Int[np.ndarray, "neurons fan_in"]:
    with unpacked_file(path) as file:
        return _senders(path, file, neurons)


def _senders(path: Path, file: UnpackedStream, neurons: int) -> Int[np.ndarray, "neurons fan_in"]:
    """The senders of each neuron from the lines of a layer."""
    ends = read_integers(path, file, 2, last=("weight", WEIGHT)) - 1
    if len(ends) != CONNECTIONS * neurons:
        raise ValueError(
            f"{path} has {len(ends)} connections; a layer of {neurons} neurons has "
            f"{CONNECTIONS * neurons}: fetch it again"
        )
    if ends.min() < 0 or ends.max() >= neurons:
        wrong = ends.max() + 1 if ends.max() >= neurons else ends.min() + 1
        raise ValueError(f"{path} has a neuron {wrong}; a layer has neurons 1 to {neurons}")
    order = np.lexsort((ends[:, 0], ends[:, 1]))
    senders, receivers = ends[order].T
    rows = senders.reshape(neurons, CONNECTIONS)
    regular = np.array_equal(receivers, np.repeat(np.arange(neurons), CONNECTIONS))
    if not regular or (np.diff(rows, axis=1) == 0).any():
        raise ValueError(f"{path}: every neuron must have {CONNECTIONS} different senders")
    return rows.astype(np.int32)
