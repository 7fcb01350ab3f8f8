"""Every reader refuses at once what is no regular file, whatever it is called."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

import topokit as tk
from topokit import challenge, networks
from topokit._limits import LARGE_FILE, TooLargeError
from topokit.cli._topology_lists import read_sources


def into_layer(path: Path) -> Any:
    layer = networks.SparseLinear(tk.topologies.butterfly(4), key=jax.random.key(0))
    return networks.read_weights(path, layer)


# By the endings of the files that each reads.
READERS: dict[Callable[[Path], Any], tuple[str, ...]] = {
    tk.read: (".npz", ".json", ".graphml", ".gml", ".edgelist", ".mtx"),
    tk.read_layers: (".npz", ".json"),
    tk.from_weights: (".npz", ".safetensors"),
    tk.ranking.read_maps: (".npz",),
    challenge.read_network: (".tar",),
    challenge.read_class_tables: (".npz",),
    challenge.read_categories: (".tsv",),
    challenge.read_images: (".npz", ".mtx", ".tsv"),
    networks.read_idx: ("",),
    networks.read_cifar10: (".npz", ".tar.gz"),
    into_layer: (".npz", ".safetensors"),
}
CASES = [(read, ending) for read, endings in READERS.items() for ending in endings]
CASES += [(lambda path: read_sources([path]), ".toml")]


@pytest.fixture(params=["pipe", "/dev/zero", "/dev/urandom", "/dev/null"])
def special(request, tmp_path):
    """What makes a name one of a file that is not regular."""

    def made(ending: str) -> Path:
        path = tmp_path / f"net{ending}"
        path.unlink(missing_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(request.param)
        return path

    return made


def test_no_reader_waits_for_a_pipe_or_reads_a_device(special) -> None:
    for read, ending in CASES:
        path = special(ending)
        with pytest.raises(OSError, match="is no regular file; give a file") as caught:
            read(path)
        assert caught.value.errno == errno.ENODEV
        assert str(path) in str(caught.value)


def test_no_special_file_is_an_empty_store(special) -> None:
    path = special(".db")
    with pytest.raises(ValueError, match="is no regular file"):
        tk.ranking.read_store(path)
    with pytest.raises(ValueError, match="is no regular file"):
        next(tk.ranking.sweep({"b": tk.topologies.butterfly(4)}, store=path))


@pytest.mark.parametrize("ending", [".json", ".graphml", ".gml", ".edgelist", ".mtx"])
def test_a_text_that_no_topology_needs_is_refused_unread(ending, tmp_path) -> None:
    path = tmp_path / f"net{ending}"
    with path.open("wb") as file:
        file.truncate(LARGE_FILE)  # zeros that the disk does not hold
    with pytest.raises(TooLargeError, match=r"net.*2 GiB is the most for a file of 2 GiB"):
        tk.read(path)
