"""IDX files, the form of MNIST: a magic number, the sizes, the values.

The magic number is two zero bytes, a code for the type and the number of axes. The size of each
axis follows in four bytes, then the values in row-major order; all numbers are big endian.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

import math
import os
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8

from topokit._checks import check_flag
from topokit._limits import check_read
from topokit._unpacked_streams import take, unpacked_file
from topokit.networks._checked_bytes import check_md5
from topokit.networks._dataset import HELD_OUT, Dataset, check_images, image_dataset

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8
IMAGES, LABELS = 0x0803, 0x0801  # the magic numbers 2051 and 2049

# The md5 sums of the four files when unpacked.
MNIST = {
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
}


def read_idx(path: str | os.PathLike[str]) -> Num[np.ndarray, "..."]:
    """Read one IDX file, plain or gzip; its own shape and type.

    No more is unpacked than the sizes in the file's head announce, O(that many bytes).

    Args:
        path: The file; whether it is gzip is seen by its first bytes.

    Raises:
        ValueError: If it is no IDX file, is cut short, or goes on after its last value.
        OSError: If the file cannot be read.

    Examples:
        >>> from pathlib import Path
        >>> from topokit import networks
        >>> size = Path("labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> networks.read_idx("labels-idx1-ubyte").tolist()
        [7, 2, 1]

    See Also:
        `read_mnist`, four such files.
    """
    return _parse(Path(path), *_read(Path(path)))


def read_mnist(
    folder: str | os.PathLike[str], *, validation: float = HELD_OUT, verify: bool = True
) -> Dataset:
    """Read MNIST from its four original files: 60,000 and 10,000 images of shape (1, 28, 28).

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`;
    the last hyphen but one may be a dot, and each may be gzip and end in `.gz`. Sets that came
    after MNIST (Fashion-MNIST, Kuzushiji-MNIST) use the same names: read them with `verify=False`.

    Args:
        folder: Where the files lie. Nothing is written there.
        validation: The share of the 60,000 that is held out for validation, 0 for none.
        verify: Whether the unpacked files must have the md5 sums of MNIST. Where they need not,
            the data set is called by the name of the folder.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is not what its name says, is damaged, or has another sum; the
            message names it.

    Examples:
        >>> from topokit import networks
        >>> data = networks.read_mnist("mnist")  # doctest: +SKIP
        >>> data.test_x.shape  # doctest: +SKIP
        (10000, 1, 28, 28)

    See Also:
        `read_cifar10`; `load_digits`, which comes with scikit-learn.
    """
    folder, verify = Path(folder), check_flag("verify", verify)
    paths = {part: _find(folder, part) for part in MNIST}
    train, test = (_read_part(paths, part, verify) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{paths['t10k-images']} must hold images of shape {train[0].shape[1:]}, as "
            f"{paths['train-images']} does; found {test[0].shape[1:]}"
        )
    name = "mnist" if verify else folder.resolve().name
    classes = tuple("0123456789")
    return image_dataset(train, test, validation=validation, classes=classes, name=name)


def _find(folder: Path, part: str) -> Path:
    axes = "idx3" if part.endswith("images") else "idx1"
    names = [f"{part}{dot}{axes}-ubyte{gz}" for gz in ("", ".gz") for dot in "-."]
    found = [folder / name for name in names if (folder / name).exists()]
    if not found:
        raise FileNotFoundError(
            f"{folder} must hold {part}-{axes}-ubyte, or the same with .gz; found neither (name "
            f"the folder with the four files of MNIST)"
        )
    return found[0]


def _read_part(
    paths: dict[str, Path], part: str, verify: bool
) -> tuple[UInt8[np.ndarray, "n 1 h w"], UInt8[np.ndarray, " n"]]:
    images = _read_checked(paths, f"{part}-images", IMAGES, verify)
    labels = _read_checked(paths, f"{part}-labels", LABELS, verify)
    path = paths[f"{part}-labels"]
    if len(labels) != len(images):
        raise ValueError(
            f"{path} must hold a label for each of the {len(images)} images of "
            f"{paths[f'{part}-images']}; found {len(labels)} (take both from the same place)"
        )
    if labels.max() > 9:
        raise ValueError(f"{path} must hold labels from 0 to 9; found {labels.max()}")
    return images[:, None], labels


def _read_checked(paths: dict[str, Path], part: str, magic: int, verify: bool) -> np.ndarray:
    path = paths[part]
    head, values = _read(path, magic)
    array = _parse(path, head, values)
    check_images(path, array.nbytes)
    if verify:
        check_md5(path, head + values, MNIST[part])
    return array


def _read(path: Path, magic: int | None = None) -> tuple[bytes, bytes]:
    """The head of a file, and its values: at most one byte more than the head announces."""
    with unpacked_file(path) as file:
        start = take(file.read, 4)
        _check_magic(path, start, magic)
        head = start + take(file.read, 4 * start[3])
        if len(head) < 4 + 4 * start[3]:
            raise ValueError(f"{path} is truncated within the sizes of its axes; fetch it again")
        expected = _n_bytes(path, head)
        said = f"{path} announces values of shape {_sizes(head)}, which"
        check_read(said, 2 * expected, file.stored)  # in pieces, and put together
        return head, take(file.read, expected + 1)


def _check_magic(path: Path, start: bytes, magic: int | None) -> None:
    if not start:
        raise ValueError(f"{path} is empty; expected an IDX file: fetch it again")
    known = len(start) == 4 and start[:2] == b"\0\0" and start[2] in TYPES
    if not known or not 1 <= start[3] <= MOST_AXES:
        raise ValueError(
            f"{path} must begin like an IDX file, with 00 00, a type of {', '.join(_codes())} and "
            f"1 to {MOST_AXES} axes; found {start.hex(' ')} (is it another file?)"
        )
    if magic is not None and int.from_bytes(start) != magic:
        raise ValueError(
            f"{path} must have the magic number {magic}; found {int.from_bytes(start)} "
            f"(2051 are images, 2049 labels)"
        )


def _codes() -> list[str]:
    return [f"{code:02x}" for code in TYPES]


def _sizes(head: bytes) -> tuple[int, ...]:
    return tuple(np.frombuffer(head, ">u4", offset=4).tolist())


def _n_bytes(path: Path, head: bytes) -> int:
    """How many bytes of values the head announces, at least one."""
    n_bytes = math.prod(_sizes(head)) * np.dtype(TYPES[head[2]]).itemsize
    if not n_bytes:
        raise ValueError(
            f"{path} announces values of shape {_sizes(head)}, 0 bytes; expected 1 or more (is it "
            "damaged?)"
        )
    return n_bytes


def _parse(path: Path, head: bytes, values: bytes) -> np.ndarray:
    expected = _n_bytes(path, head)
    if len(values) != expected:
        found = f"only {len(values)}" if len(values) < expected else "more"
        raise ValueError(
            f"{path} must hold {expected} bytes of values, by the sizes {_sizes(head)} in its "
            f"head; found {found} (fetch it again)"
        )
    array = np.frombuffer(values, TYPES[head[2]]).reshape(_sizes(head))
    return array.astype(array.dtype.newbyteorder("="), copy=False)
