"""CIFAR-10 in any form it is published in: python batches, binary batches, an archive of either.

Six batches, the last for testing. An image is 3,072 bytes: a plane of 32 rows of 32 for red, then
green, then blue. The binary version is a label byte and an image after the other; the python
version pickles the same arrays. Source: A. Krizhevsky, "Learning Multiple Layers of Features from
Tiny Images", 2009.
"""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from topokit._archives import read_archive
from topokit._checks import check_flag
from topokit._limits import TooLargeError
from topokit._regular_files import opened
from topokit._tar_members import tar_members
from topokit._unpacked_streams import take, unpacked_file
from topokit.networks._checked_bytes import check_md5
from topokit.networks._dataset import HELD_OUT, Dataset, check_images, image_dataset
from topokit.networks._pickled import unpickle_batch

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
RECORD = 1 + 3072
LARGEST_BATCH = 2**26  # bytes; a published batch has less than half of it
AXES = {"x": 4, "y": 1}  # of images and of labels in an `.npz` file

Batch = tuple[UInt8[np.ndarray, "n 3 32 32"], UInt8[np.ndarray, " n"]]


class _Form(NamedTuple):
    ending: str
    decode: Callable[[bytes], Batch]
    sums: tuple[str, ...]  # the md5 sum of each batch


def read_cifar10(
    path: str | os.PathLike[str], *, validation: float = HELD_OUT, verify: bool = True
) -> Dataset:
    """Read CIFAR-10: 50,000 and 10,000 images of shape (3, 32, 32).

    Args:
        path: One of

            - the folder `cifar-10-batches-bin` or `cifar-10-batches-py`,
            - `cifar-10-binary.tar.gz` or `cifar-10-python.tar.gz`, read in memory, not unpacked,
            - an `.npz` file with a part of it: `train_x` and `test_x`, bytes of shape
              (n, 3, 32, 32), and the labels `train_y` and `test_y`.

            Nothing is written, and no pickle is run: of the python version only arrays of bytes
            and lists of labels are read. A folder or an archive with both versions counts as
            binary.
        validation: The share of the 50,000 that is held out for validation, 0 for none.
        verify: Whether each batch must have its published md5 sum; an `.npz` file must then hold
            the images of `data_batch_1` and the first 1,000 of `test_batch`. Where they need
            not, the data set is called by the name of the file or folder.

    Raises:
        FileNotFoundError: If `path`, or a batch in a folder, is missing.
        ValueError: If a batch is missing in an archive, is not what its name says, is damaged or
            has another sum; the message names it.

    Examples:
        >>> from topokit import networks
        >>> data = networks.read_cifar10("cifar-10-python.tar.gz")  # doctest: +SKIP
        >>> data.test_x.shape  # doctest: +SKIP
        (10000, 3, 32, 32)

    See Also:
        `read_mnist`; `load_digits`, which comes with scikit-learn.
    """
    path, verify = Path(path), check_flag("verify", verify)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; name the folder, the archive or the .npz file of CIFAR-10"
        )
    if path.suffix == ".npz":
        return _read_npz(path, validation, verify)
    contents = _read_folder(path) if path.is_dir() else _read_archive(path)
    form = _form(path, contents)
    names = [batch + form.ending for batch in BATCHES]
    pairs = zip(names, form.sums, strict=True)
    batches = [_decode(path / n, contents.pop(n), form, s if verify else None) for n, s in pairs]
    x, y = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
    name = "cifar10" if verify else path.resolve().name
    return image_dataset((x, y), batches[-1], validation=validation, classes=CLASSES, name=name)


def _read_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in (batch + form.ending for form in FORMS for batch in BATCHES):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                found[name] = take(file.read, LARGEST_BATCH + 1)
    return found


def _read_archive(path: Path) -> dict[str, bytes]:
    """The batches of an archive, whatever folder they are in; what else it holds is passed by."""
    wanted = {batch + form.ending for form in FORMS for batch in BATCHES}
    found: dict[str, bytes] = {}
    try:
        with unpacked_file(path) as file:
            for member, part in tar_members(file):
                name = PurePosixPath(member).name
                if name not in wanted or part is None:
                    continue
                if name in found:
                    raise ValueError(f"it has {name} twice")
                found[name] = take(part.read, LARGEST_BATCH + 1)
    except TooLargeError:
        raise
    except ValueError as error:
        raise ValueError(
            f"{path} is not a tar archive, or a damaged one ({error}); expected a folder or an "
            f"archive of CIFAR-10: fetch it again"
        ) from error
    check_images(path, sum(map(len, found.values())))
    return found


def _form(path: Path, contents: dict[str, bytes]) -> _Form:
    """Which version is there, and whole."""
    missing = {form: [b for b in BATCHES if b + form.ending not in contents] for form in FORMS}
    form = min(FORMS, key=lambda form: len(missing[form]))
    if missing[form]:
        names = ", ".join(batch + form.ending for batch in missing[form])
        error = FileNotFoundError if path.is_dir() else ValueError
        raise error(
            f"{path} must hold the six batches of CIFAR-10, data_batch_1 to 5 and test_batch, all "
            f"with .bin or all without; missing: {names}"
        )
    return form


def _decode(where: Path, content: bytes, form: _Form, md5: str | None) -> Batch:
    """One batch; its sum is checked before anything looks inside."""
    if not content or len(content) > LARGEST_BATCH:
        size = f"more than {LARGEST_BATCH} bytes" if content else "empty"
        raise ValueError(f"{where} is {size}; expected a batch of CIFAR-10: fetch it again")
    if md5 is not None:
        check_md5(where, content, md5)
    try:
        return form.decode(content)
    except ValueError as error:
        raise ValueError(f"{where} is not a batch of CIFAR-10: {error}; fetch it again") from error


def _from_pickle(content: bytes) -> Batch:
    pixels, labels = unpickle_batch(content)
    return pixels.reshape(-1, 3, 32, 32), labels


def _from_records(content: bytes) -> Batch:
    if len(content) % RECORD:
        raise ValueError(f"its {len(content)} bytes are not a multiple of {RECORD} for each image")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise ValueError(f"its labels must be 0 to 9; found {labels.max()}")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


BINARY = _Form(
    ".bin",
    _from_records,
    (
        "5dd7e06a14cb22eb9f671a540d1b7c25",
        "5ea93a67294ea407fff1d09f752e9692",
        "942cd6a4bcdd0dd3c604fbe906cb4421",
        "ae636b3ba5c66a11e91e8cb52e771fcb",
        "53f37980c15c3d472c316c40844f3f0d",
        "803d5f7f4d78ea53de84dbe85f74fb6d",
    ),
)
PYTHON = _Form(
    "",
    _from_pickle,
    (
        "c99cafc152244af753f735de768cd75f",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "54ebc095f3ab1f0389bbae665268c751",
        "634d18415352ddfa80567beed471001a",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "40351d587109b95175f43aff81a1287e",
    ),
)
FORMS = (BINARY, PYTHON)
# Of a part of CIFAR-10, as records of the binary version: data_batch_1, and 1,000 of test_batch.
PART = {"train": BINARY.sums[0], "test": "371f65da31ad652f5e24b3699a3e6515"}


def _read_npz(path: Path, validation: float, verify: bool) -> Dataset:
    arrays = _arrays(path)
    train, test = (_npz_batch(path, arrays, part) for part in PART)
    check_images(path, train[0].nbytes + test[0].nbytes)
    if verify:
        for part, (x, y) in zip(PART, (train, test), strict=True):
            records = np.concatenate([y[:, None], x.reshape(len(x), -1)], axis=1)
            check_md5(f"{path}: {part}_x with {part}_y", records.tobytes(), PART[part])
    name = "cifar10-part" if verify else path.stem
    return image_dataset(train, test, validation=validation, classes=CLASSES, name=name)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    expected = {f"{part}_{kind}": ("biuf", axes) for part in PART for kind, axes in AXES.items()}
    with opened(path) as file:
        try:
            return read_archive(file, expected)
        except ValueError as error:
            raise ValueError(
                f"{path} must be an .npz file of the arrays {', '.join(expected)}: {error}"
            ) from error


def _npz_batch(path: Path, arrays: dict[str, np.ndarray], part: str) -> Batch:
    x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
    if x.dtype != np.uint8 or x.shape[1:] != (3, 32, 32) or not len(x):
        raise ValueError(
            f"{path}: {part}_x must be bytes of shape (n, 3, 32, 32); found {x.dtype} {x.shape}"
        )
    if y.dtype.kind not in "iu" or y.shape != x.shape[:1] or y.min() < 0 or y.max() > 9:
        raise ValueError(
            f"{path}: {part}_y must be {len(x)} integers from 0 to 9; found {y.dtype} {y.shape}"
        )
    return x, y.astype(np.uint8)
