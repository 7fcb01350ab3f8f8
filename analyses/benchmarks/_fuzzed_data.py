"""Readers of data and of the challenge's files under attack, and what reads them more slowly.

Everything found is compared as plain lists. Of files of lines every number counts; of pickles the
reference takes what numpy makes of them.
"""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any

import equinox as eqx
import jax
import numpy as np
from safetensors.numpy import load_file

import topokit as tk
from analyses.benchmarks._fuzzing import Reader
from topokit import challenge, networks

PIXELS, NEURONS = 12, 32
DTYPES = {8: "B", 9: "b", 11: "h", 12: "i", 13: "f", 14: "d"}  # of IDX files, as struct has them
BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _rows(content: bytes) -> list[list[float]]:
    """The numbers of all lines that hold any."""
    assert content.endswith(b"\n") or not content
    lines = (line.split() for line in content.decode("latin-1").split("\n"))
    return [[float(word) for word in words] for words in lines if words]


def _images(random: Random) -> challenge.Images:
    lit = [[random.random() < 0.3 for _ in range(PIXELS)] for _ in range(random.randint(2, 6))]
    lit[-1][0] = True
    return challenge.pack_images(np.array(lit))


def _write_images(path: Path, seed: int) -> None:
    challenge.write_images(_images(Random(seed)), path)  # noqa: S311


def _write_matrix(path: Path, seed: int) -> None:
    """As a Matrix Market file of one of its forms."""
    random = Random(seed)  # noqa: S311
    pixels = _images(random).pixels(slice(None)).astype(int)
    places = [(i + 1, j + 1) for i, j in np.argwhere(pixels).tolist()]
    form, field = random.choice(
        [("coordinate", "pattern"), ("coordinate", "real"), ("array", "integer")]
    )
    if form == "array":
        body = [f"{value}\n" for value in pixels.T.ravel().tolist()]
    else:
        body = [f"{i} {j}{'' if field == 'pattern' else ' 1'}\n" for i, j in places]
    sizes = [*pixels.shape, *([len(places)] if form == "coordinate" else [])]
    head = f"%%MatrixMarket matrix {form} {field} general\n% made to be damaged\n"
    text = f"{head}{' '.join(map(str, sizes))}\n{''.join(body)}".encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _read_images(path: Path) -> Any:
    return challenge.read_images(path, PIXELS).pixels(slice(None)).tolist()


def _lit(n: int, places: list[tuple[float, float]]) -> list[list[bool]]:
    """Rows of pixels from places that are each given once."""
    assert len({*places}) == len(places)
    return [[(i, j) in places for j in range(1, PIXELS + 1)] for i in range(1, n + 1)]


def _images_by_lines(path: Path) -> Any:
    rows = _rows(_unpacked(path))
    assert all(value == 1 for _, _, value in rows)
    places = [(i, j) for i, j, _ in rows]
    n = int(max((i for i, _ in places), default=1))
    found = _lit(n, places)
    assert sum(map(sum, found)) == len(places)
    return found


def _images_by_matrix(path: Path) -> Any:
    lines = _unpacked(path).decode("latin-1").split("\n")
    _, _, form, field, symmetry = lines[0].lower().split()
    assert symmetry == "general"
    body = [line.split() for line in lines[1:] if line.strip() and not line.startswith("%")]
    sizes, entries = [int(word) for word in body[0]], body[1:]
    if form == "array":
        n, pixels = sizes
        values = [float(value) for (value,) in entries]
        assert len(values) == n * pixels
        return [[values[j * n + i] == 1 for j in range(pixels)] for i in range(n)]
    n, _, count = sizes
    assert len(entries) == count
    kept = [words for words in entries if field == "pattern" or float(words[2]) == 1]
    return _lit(n, [(float(words[0]), float(words[1])) for words in kept])


def _images_by_numpy(path: Path) -> Any:
    with np.load(path) as file:
        (bits,) = dict(file).values()
    return np.unpackbits(bits, axis=1)[:, :PIXELS].astype(bool).tolist()


def _write_truth(path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    challenge.write_categories(sorted(random.sample(range(1, 999), 20)), path)


def _read_truth(path: Path) -> Any:
    return challenge.read_categories(path).tolist()


def _truth_by_lines(path: Path) -> Any:
    return sorted(number for (number,) in _rows(_unpacked(path)))


def _network(seed: int) -> challenge.ChallengeNetwork:
    return challenge.plain_network(NEURONS, 1 + seed % 2)


def _write_layer(path: Path, seed: int) -> None:
    """One file of a network; its folder holds no other."""
    _write_archive(path, seed)
    with tarfile.open(path) as file:
        member = file.extractfile(f"n{NEURONS}-l1.tsv")
        assert member is not None
        content = member.read()
    path.write_bytes(content)


def _write_archive(path: Path, seed: int) -> None:
    folder = path.with_name("network")
    challenge.write_network(_network(seed), folder)
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w") as file:
        for member in sorted(folder.iterdir()):
            file.add(member, member.name, filter=_anonymous)
            member.unlink()
    folder.rmdir()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Equal bytes on any machine at any time."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _read_network(path: Path) -> Any:
    network = challenge.read_network(path)
    return [network.senders(layer).tolist() for layer in range(network.depth)]


def _read_layer(path: Path) -> Any:
    (folder := path.with_name("alone")).mkdir(exist_ok=True)
    (folder / path.name).write_bytes(path.read_bytes())
    return _read_network(folder)


def _senders(content: bytes) -> list[list[int]]:
    """Of each neuron, from lines of any order."""
    rows = _rows(content)
    assert all(weight == 1 / 16 for _, _, weight in rows)
    found = [sorted(int(i) - 1 for i, k, _ in rows if k == j) for j in range(1, NEURONS + 1)]
    assert sum(map(len, found)) == len(rows)
    return found


def _layer_by_lines(path: Path) -> Any:
    return [_senders(_unpacked(path))]


def _network_by_tarfile(path: Path) -> Any:
    with tarfile.open(path) as file:
        members = [(PurePosixPath(member.name).name, member) for member in file]
        held = {
            name: opened.read()
            for name, member in members
            if name.startswith("n") and (opened := file.extractfile(member))
        }
    wanted = [name for n in range(1, 9) for name in (f"n{NEURONS}-l{n}.tsv",) if name in held]
    return [_senders(held[name]) for name in wanted]


def _write_tables(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = np.arange(NEURONS) % (NEURONS // 16)
    names = ("row_class", "col_class")
    row, column = (rng.permuted([classes] * 2, axis=1) for _ in names)
    np.savez(path, row_class=row, col_class=column)


def _read_tables(path: Path) -> Any:
    network = challenge.read_class_tables(path)
    return [network.senders(layer).tolist() for layer in range(network.depth)]


def _tables_by_numpy(path: Path) -> Any:
    with np.load(path) as file:
        rows, columns = file["row_class"].astype(int), file["col_class"].astype(int)
    classes = rows.shape[1] // 16
    steps = [2**k for k in range(classes.bit_length() - 1)]
    return [
        [
            np.flatnonzero(((r - c) % classes == 0) | ((r - c) % classes == s)).tolist()
            for c in column
        ]
        for r, column in zip(rows, columns, strict=True)
        for s in steps
    ]


def _write_idx(path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    code = random.choice([*DTYPES])
    shape = [random.randint(1, 4) for _ in range(random.randint(1, 3))]
    values = [random.randint(0, 100) for _ in range(int(np.prod(shape)))]
    head = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    content = head + struct.pack(f">{len(values)}{DTYPES[code]}", *values)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _read_idx(path: Path) -> Any:
    array = networks.read_idx(path)
    return array.shape, array.tobytes()


def _idx_by_struct(path: Path) -> Any:
    content = _unpacked(path)
    zeros, code, axes = struct.unpack_from(">HBB", content)
    assert zeros == 0
    shape = struct.unpack_from(f">{axes}I", content, 4)
    form = f"{int(np.prod(shape))}{DTYPES[code]}"
    values = struct.unpack(f">{form}", content[4 + 4 * axes :])
    return shape, struct.pack(f"={form}", *values)


def _write_cifar(path: Path, seed: int) -> None:
    """Six batches of an image or two, of the binary or of the python version."""
    rng = np.random.default_rng(seed)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name in BATCHES:
            x, y = rng.integers(0, 256, (2, 3072)).astype("u1"), rng.integers(0, 10, 2).astype("u1")
            batch = {b"data": x, b"labels": y.tolist()}
            python = pickle.dumps(batch, protocol=2 + seed % 4)
            content = python if "python" in path.name else np.c_[y, x].tobytes()
            member = tarfile.TarInfo(f"cifar/{name}{'' if 'python' in path.name else '.bin'}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


def _write_cifar_part(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts: dict[str, Any] = {}
    for part, n in (("train", 3), ("test", 2)):
        parts[f"{part}_x"] = rng.integers(0, 256, (n, 3, 32, 32)).astype("u1")
        parts[f"{part}_y"] = rng.integers(0, 10, n).astype("u1")
    np.savez(path, **parts)


def _read_cifar(path: Path) -> Any:
    data = networks.read_cifar10(path, validation=0, verify=False)
    return _images_and_labels((data.train_x * 255, data.train_y), (data.test_x * 255, data.test_y))


def _images_and_labels(*parts: tuple[Any, Any]) -> Any:
    """In short, for messages."""
    return [
        (
            len(x),
            hashlib.sha256(np.rint(x).astype("u1").tobytes()).hexdigest(),
            np.asarray(y).tolist(),
        )
        for x, y in parts
    ]


class _Batch(pickle.Unpickler):
    """Numpy's own arrays from a pickle, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        assert module.split(".")[0] in ("numpy", "_codecs")
        assert name in ("_reconstruct", "ndarray", "dtype", "_frombuffer", "encode")
        return super().find_class(module, name)


def _cifar_by_tarfile(path: Path) -> Any:
    with tarfile.open(path) as file:
        members = {PurePosixPath(member.name).name: member for member in file if member.isreg()}
        held = {name: file.extractfile(member).read() for name, member in members.items()}  # pyright: ignore[reportOptionalMemberAccess]
    batches = []
    for name in BATCHES:
        if f"{name}.bin" in held and all(f"{each}.bin" in held for each in BATCHES):
            records = np.frombuffer(held[f"{name}.bin"], "u1").reshape(-1, 3073)
            batches.append((records[:, 1:], records[:, 0]))
        else:
            found = _Batch(io.BytesIO(held[name]), encoding="bytes").load()
            found = {key if isinstance(key, bytes) else key.encode(): found[key] for key in found}
            batches.append((found[b"data"], found[b"labels"]))
    x, y = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
    return _images_and_labels((x, y), batches[-1])


def _cifar_by_numpy(path: Path) -> Any:
    with np.load(path) as file:
        return _images_and_labels(*((file[f"{p}_x"], file[f"{p}_y"]) for p in ("train", "test")))


def _layer() -> networks.SparseLinear:
    return networks.SparseLinear(tk.topologies.butterfly(4), key=jax.random.key(0))


def _write_weights(path: Path, seed: int) -> None:
    layer = networks.SparseLinear(tk.topologies.butterfly(4), key=jax.random.key(seed))
    networks.write_weights(layer, path)


def _read_weights(path: Path) -> Any:
    found = networks.read_weights(path, _layer())
    return [array.tolist() for array in jax.tree.leaves(eqx.filter(found, eqx.is_inexact_array))]


def _weights_by_numpy(path: Path) -> Any:
    with np.load(path) as file:
        return _in_order(dict(file))


def _weights_by_safetensors(path: Path) -> Any:
    return _in_order(load_file(path))


def _in_order(arrays: dict[str, np.ndarray]) -> Any:
    """The numbers of the layer's own arrays, in the order in which it has them."""
    names = [name for name in arrays if not name.endswith(("senders", "receivers"))]
    return [arrays[name].astype(np.float32).tolist() for name in sorted(names, key=_last)]


def _last(name: str) -> tuple[bool, str]:
    return not name.startswith("layers"), name


READERS = [
    Reader("images, lines", "i.tsv", _write_images, _read_images, _images_by_lines),
    Reader("images, gzip", "i.tsv.gz", _write_images, _read_images, _images_by_lines),
    Reader("images, matrix", "i.mtx", _write_matrix, _read_images, _images_by_matrix),
    Reader("images, matrix in gzip", "i.mtx.gz", _write_matrix, _read_images, _images_by_matrix),
    Reader("images, bits", "i.npz", _write_images, _read_images, _images_by_numpy),
    Reader("truth", "truth.tsv", _write_truth, _read_truth, _truth_by_lines),
    Reader("layer", f"n{NEURONS}-l1.tsv", _write_layer, _read_layer, _layer_by_lines),
    Reader("network, tar", "net.tar", _write_archive, _read_network, _network_by_tarfile),
    Reader("network, xz", "net.tar.xz", _write_archive, _read_network, _network_by_tarfile),
    Reader("tables of classes", "tables.npz", _write_tables, _read_tables, _tables_by_numpy),
    Reader("IDX", "values", _write_idx, _read_idx, _idx_by_struct),
    Reader("IDX, gzip", "values.gz", _write_idx, _read_idx, _idx_by_struct),
    Reader("CIFAR, binary", "binary.tar", _write_cifar, _read_cifar, _cifar_by_tarfile),
    Reader("CIFAR, binary in gzip", "binary.tar.gz", _write_cifar, _read_cifar, _cifar_by_tarfile),
    Reader("CIFAR, python", "python.tar", _write_cifar, _read_cifar, _cifar_by_tarfile),
    Reader("CIFAR, npz", "part.npz", _write_cifar_part, _read_cifar, _cifar_by_numpy),
    Reader("weights, npz", "weights.npz", _write_weights, _read_weights, _weights_by_numpy),
    Reader(
        *("weights, safetensors", "weights.safetensors"),
        *(_write_weights, _read_weights, _weights_by_safetensors),
    ),
]
