"""A data set to learn from: examples with labels, for training and for testing.

Images lie channels first, `(channels, height, width)`, with values in [0, 1]; tables have one axis
of features. Labels are integers that count the classes from 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Integer, Shaped, UInt8


class Dataset(NamedTuple):
    """Examples and labels, apart for training and testing; made by `make_dataset` and the loaders.

    Attributes:
        train_x: The examples to learn from; of images, values in [0, 1], channels first.
        train_y: Their labels, 0 to n_classes - 1.
        test_x: The examples to be judged on.
        test_y: Their labels.
        classes: What each label stands for.
        name: What to call the data set in results.
    """

    train_x: Float32[np.ndarray, "n_train *shape"]
    train_y: Int[np.ndarray, " n_train"]
    test_x: Float32[np.ndarray, "n_test *shape"]
    test_y: Int[np.ndarray, " n_test"]
    classes: tuple[str, ...]
    name: str

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
    classes: Sequence[str] | None = None,
    name: str = "data",
) -> Dataset:
    """Check arrays of one's own and make a data set of them, O(size of the arrays).

    Args:
        train_x: Examples to learn from, (n_train, ...), finite floats. They are kept in single
            precision. Of images, channels first and scaled to [0, 1].
        train_y: Their labels, (n_train,), integers from 0.
        test_x: Examples to be judged on, (n_test, ...), of the same shape.
        test_y: Their labels, (n_test,).
        classes: What each label stands for. Without it the classes are those up to the largest
            label of the training part, named by their numbers.
        name: What to call the data set in results.

    Raises:
        ValueError: If there are no examples, examples and labels are not equally many, the shapes
            of the parts differ, a value is not finite, or a label is not one of the classes.
    """
    train_x, train_y, test_x, test_y = map(np.asarray, (train_x, train_y, test_x, test_y))
    x, y = _examples("train_x", train_x), _labels("train_y", train_y)
    if classes is None:
        classes = [str(label) for label in range(int(y.max(initial=0)) + 1)]
    data = Dataset(
        x, y, _examples("test_x", test_x), _labels("test_y", test_y), tuple(classes), name
    )
    _check_sizes("train", data.train_x, data.train_y, data.n_classes)
    _check_sizes("test", data.test_x, data.test_y, data.n_classes)
    if data.test_x.shape[1:] != data.shape:
        raise ValueError(
            f"test_x must hold examples of the shape of train_x, {data.shape}; "
            f"given {data.test_x.shape[1:]}"
        )
    return data


def image_dataset(
    train: tuple[UInt8[np.ndarray, "n_train *shape"], Integer[np.ndarray, " n_train"]],
    test: tuple[UInt8[np.ndarray, "n_test *shape"], Integer[np.ndarray, " n_test"]],
    *,
    classes: Sequence[str],
    name: str,
) -> Dataset:
    """A data set of images of bytes with their labels: the bytes 0 to 255 become [0, 1]."""
    (train_x, train_y), (test_x, test_y) = train, test
    return make_dataset(
        _scaled(train_x), train_y, _scaled(test_x), test_y, classes=classes, name=name
    )


def _scaled(pixels: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _examples(name: str, x: np.ndarray) -> Float32[np.ndarray, "..."]:
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


def _labels(name: str, y: np.ndarray) -> Int[np.ndarray, " n"]:
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError(
            f"{name} must be integers, one for each example; given {y.dtype} of shape {y.shape}"
        )
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < 2**31:
        raise ValueError(f"{name} must count classes from 0; given {y.min()} to {y.max()}")
    return y.astype(np.int32)


def _check_sizes(part: str, x: np.ndarray, y: np.ndarray, n_classes: int) -> None:
    if len(x) != len(y):
        raise ValueError(
            f"{part}_y must have a label for each of the {len(x)} examples of {part}_x; "
            f"given {len(y)}"
        )
    if y.max() >= n_classes:
        raise ValueError(
            f"{part}_y must be labels from 0 to {n_classes - 1}, one of {n_classes} classes; "
            f"given {y.max()}"
        )
