"""A data set to learn from: examples with labels, for training, for validation and for testing.

Choices, such as that of a learning rate, are made on the validation part, so that the test part has
had no say in what it tests. Unless one has validation examples of one's own, a tenth of the
training examples is held out for it: of each class its share, the same ones everywhere.

Images lie channels first, `(channels, height, width)`, with values in [0, 1]; tables have one axis
of features. Labels are integers that count the classes from 0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Integer, Shaped, UInt8

from topokit._checks import check_real
from topokit._escapes import printable
from topokit._limits import check_read
from topokit._names import check_name
from topokit._records import Record, brief

PARTS = ("train", "validation", "test")
IN_MEMORY = 10  # bytes that one of an image takes while a data set is made of it
HELD_OUT = 0.1  # share of the training examples that is for validation

Pair = tuple[Shaped[np.ndarray, "..."], Shaped[np.ndarray, "..."]]


class Dataset(Record):
    """Examples and labels in three parts; made by `make_dataset` and the loaders.

    It checks itself, so that one made otherwise, as by `dataclasses.replace`, is as safe.

    Attributes:
        train_x: The examples to learn from; of images, values in [0, 1], channels first.
        train_y: Their labels, 0 to n_classes - 1.
        validation_x: The examples to choose by; there may be none.
        validation_y: Their labels.
        test_x: The examples to test on, once everything is chosen.
        test_y: Their labels.
        classes: What each label stands for.
        name: What to call the data set in results.

    Examples:
        >>> import numpy as np
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> data.test_x.shape, data.classes
        ((50, 8), ('0', '1'))

    See Also:
        `make_dataset`, which makes it.
    """

    train_x: Float32[np.ndarray, "n_train *shape"]
    train_y: Int[np.ndarray, " n_train"]
    validation_x: Float32[np.ndarray, "n_validation *shape"]
    validation_y: Int[np.ndarray, " n_validation"]
    test_x: Float32[np.ndarray, "n_test *shape"]
    test_y: Int[np.ndarray, " n_test"]
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        """Raise a ValueError unless the parts are what `make_dataset` makes, O(their size)."""
        for part in PARTS:
            x, y = getattr(self, f"{part}_x"), getattr(self, f"{part}_y")
            both = isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
            if not both or x.dtype != np.float32:
                raise ValueError(
                    f"{part}_x and {part}_y must be arrays, in single precision and of integers, "
                    f"as make_dataset makes them; given {brief(x)} and {brief(y)}"
                )
            if part != "validation" or len(x) or len(y):
                _checked_pair(part, (x, y))
            _check_part(part, x, y, self.shape, self.n_classes)
        super().__post_init__()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.train_x.shape[1:]

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)


def make_dataset(
    train_x: Shaped[np.ndarray, "..."],
    train_y: Shaped[np.ndarray, "..."],
    test_x: Shaped[np.ndarray, "..."],
    test_y: Shaped[np.ndarray, "..."],
    *,
    validation: float | Pair = HELD_OUT,
    classes: Sequence[str] | None = None,
    name: str = "data",
) -> Dataset:
    """Check arrays of one's own and make a data set of them, O(size of the arrays).

    Args:
        train_x: Examples to learn from, (n_train, ...), finite floats. They are kept in single
            precision. Of images, channels first and scaled to [0, 1].
        train_y: Their labels, (n_train,), integers from 0.
        test_x: Examples to test on, (n_test, ...), of the same shape.
        test_y: Their labels, (n_test,).
        validation: The share of the training examples that is held out for validation, in [0, 1),
            0 for none: of each class its share, but for rounding, and nothing is drawn. Or
            validation examples of one's own with their labels, `(x, y)`.
        classes: What each label stands for. Without it the classes are those up to the largest
            label of the training part, named by their numbers.
        name: What to call the data set in results: a line of characters that can be seen.

    Raises:
        ValueError: If there are no examples, none are left for training, examples and labels are
            not equally many, the shapes of the parts differ, a value is not finite, a label is
            not one of the classes, or the name is not such a line.

    Examples:
        >>> import numpy as np
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> data.train_x.shape, data.validation_x.shape, data.test_x.shape
        ((135, 8), (15, 8), (50, 8))

    See Also:
        `load_digits`, `read_mnist` and `read_cifar10`, which return such sets.
    """
    train_x, train_y = _checked_pair("train", (train_x, train_y))
    if classes is None:
        classes = [str(label) for label in range(int(train_y.max()) + 1)]
    if isinstance(validation, int | float | np.number):
        rest, chosen = hold_out(train_y, float(validation))
        held_out = train_x[chosen], train_y[chosen]
        if chosen.size:
            train_x, train_y = train_x[rest], train_y[rest]
    else:
        held_out = _checked_pair("validation", _pair(validation))
    test = _checked_pair("test", (test_x, test_y))
    for part, pair in zip(PARTS, ((train_x, train_y), held_out, test), strict=True):
        _check_part(part, *pair, train_x.shape[1:], len(classes))
    name = check_name(name, "the name of a data set")
    return Dataset(train_x, train_y, *held_out, *test, tuple(classes), name)


def _pair(validation: Any) -> Pair:
    if isinstance(validation, tuple | list) and len(validation) == 2:
        return validation[0], validation[1]
    raise ValueError(
        "validation must be a share of the training examples in [0, 1), or examples with their "
        f"labels, (x, y); given {brief(validation)}"
    )


def hold_out(
    y: Int[np.ndarray, " n"], share: float
) -> tuple[Int[np.ndarray, " n_train"], Int[np.ndarray, " n_validation"]]:
    """Indices for training and for validation; every class keeps one for training.

    Raises:
        ValueError: If the share is out of range, or none are left for training.
    """
    n_validation = round(check_real("validation", share, least=0, most=1, below=True) * len(y))
    n_validation = max(n_validation, 1 if share else 0)
    if n_validation == len(y):
        raise ValueError(
            f"validation={share} leaves none of the {len(y)} examples for training; give more "
            "examples, or validation=0"
        )
    rest, chosen = split_by_class(y, n_validation)
    classes, first = np.unique(y[chosen], return_index=True)
    unseen = first[~np.isin(classes, y[rest])]
    return np.sort(np.append(rest, chosen[unseen])), np.delete(chosen, unseen)


def split_by_class(
    y: Int[np.ndarray, " n"], n_chosen: int, *, seed: int | None = None
) -> tuple[Int[np.ndarray, " n_rest"], Int[np.ndarray, " n_chosen"]]:
    """Indices of the rest and of the chosen examples, evenly spaced among those sorted by class.

    Each class has then its share of either part, rounded up or down. Without a seed the order
    within a class is that of the data.
    """
    order = np.arange(len(y)) if seed is None else np.random.default_rng(seed).permutation(len(y))
    by_class = order[np.argsort(y[order], kind="stable")]
    places = (2 * np.arange(n_chosen) + 1) * len(y) // (2 * max(n_chosen, 1))
    chosen = np.sort(by_class[places])
    return np.setdiff1d(np.arange(len(y)), chosen), chosen


def check_images(path: Path, n_bytes: int) -> None:
    """Refuse images of so many bytes that are implausible for the file, or files, at a path.

    Raises:
        TooLargeError: If what becomes of them would take too much.
    """
    check_read(f"a data set of the images in {path}", IN_MEMORY * n_bytes, path.stat().st_size)


def image_dataset(
    train: tuple[UInt8[np.ndarray, "n_train *shape"], Integer[np.ndarray, " n_train"]],
    test: tuple[UInt8[np.ndarray, "n_test *shape"], Integer[np.ndarray, " n_test"]],
    *,
    validation: float | Pair,
    classes: Sequence[str],
    name: str,
) -> Dataset:
    """A data set of images of bytes with their labels: the bytes 0 to 255 become [0, 1]."""
    (train_x, train_y), (test_x, test_y) = train, test
    return make_dataset(
        _scaled(train_x),
        train_y,
        _scaled(test_x),
        test_y,
        validation=validation,
        classes=classes,
        name=printable(name) or "data",
    )


def _scaled(pixels: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def as_array(name: str, given: Any) -> np.ndarray:
    """What is given as an array, or a ValueError that says what it must be."""
    try:
        return np.asarray(given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be an array, whose rows have one shape; given {brief(given)}"
        ) from error


def check_examples(name: str, x: np.ndarray) -> Float32[np.ndarray, "..."]:
    """Examples in single precision, or a ValueError that says what is wrong with them."""
    if x.dtype.kind != "f" or x.ndim < 2 or not x.size:
        raise ValueError(
            f"{name} must be an array of floats, (examples, ...), with at least one example of at "
            f"least one value; given {x.dtype} of shape {x.shape} (divide images of bytes by 255)"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        x = x.astype(np.float32, copy=False)
        finite = np.isfinite(x.min()) and np.isfinite(x.max())
    if not finite:
        raise ValueError(
            f"{name} must be finite in single precision; given infinite or missing values "
            f"(leave those examples out, or fill them in)"
        )
    return x


def check_labels(name: str, y: np.ndarray) -> Int[np.ndarray, " n"]:
    """Labels as integers of 32 bits, or a ValueError that says what is wrong with them."""
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError(
            f"{name} must be integers, one for each example; given {y.dtype} of shape {y.shape}"
        )
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < 2**31:
        raise ValueError(f"{name} must count classes from 0; given {y.min()} to {y.max()}")
    return y.astype(np.int32)


def _checked_pair(
    name: str, pair: Pair
) -> tuple[Float32[np.ndarray, "..."], Int[np.ndarray, " n"]]:
    """The examples and labels of a part, of the types that a data set has."""
    x, y = (as_array(f"{name}_{part}", given) for part, given in zip("xy", pair, strict=True))
    x, y = check_examples(f"{name}_x", x), check_labels(f"{name}_y", y)
    if len(x) != len(y):
        raise ValueError(
            f"{name}_y must have a label for each of the {len(x)} examples of {name}_x; "
            f"given {len(y)}"
        )
    return x, y


def _check_part(
    part: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], n_classes: int
) -> None:
    """Raise a ValueError unless a part has the shape and the classes of the data."""
    if x.shape[1:] != shape:
        raise ValueError(
            f"{part}_x must hold examples of the shape of train_x, {shape}; given {x.shape[1:]}"
        )
    if y.max(initial=0) >= n_classes:
        raise ValueError(
            f"{part}_y must be labels from 0 to {n_classes - 1}, one of {n_classes} classes; "
            f"given {y.max()}"
        )
