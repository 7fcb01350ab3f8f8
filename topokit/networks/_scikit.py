"""Data sets that scikit-learn brings along, or fetches."""

import os
import warnings
from http.client import HTTPException
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn import datasets

from topokit._checks import check_count, check_real
from topokit.networks._dataset import (
    HELD_OUT,
    Dataset,
    hold_out,
    make_dataset,
    split_by_class,
)

DIGITS_FOR_TESTING = 360


def load_digits(*, validation: float = HELD_OUT) -> Dataset:
    """Load the 1,797 handwritten digits that come with scikit-learn, of shape (1, 8, 8).

    The values 0 to 16 become [0, 1]. Of each digit about every fifth image is for testing, 360 in
    all; nothing is drawn, so the parts are the same everywhere. Nothing is downloaded.

    Args:
        validation: The share of the others that is held out for validation, 0 for none.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998.

    Examples:
        >>> from topokit import networks
        >>> data = networks.load_digits()
        >>> data.test_x.shape[1:], len(data.classes)
        ((1, 8, 8), 10)

    See Also:
        `read_mnist`, larger ones.
    """
    digits: Any = datasets.load_digits()
    x, y = digits.images[:, None] / 16, digits.target
    train, test = split_by_class(y, DIGITS_FOR_TESTING)
    classes = [str(name) for name in digits.target_names]
    return make_dataset(
        x[train],
        y[train],
        x[test],
        y[test],
        validation=validation,
        classes=classes,
        name="digits",
    )


def fetch_openml(
    name: str,
    *,
    version: int | None = None,
    shape: tuple[int, ...] | None = None,
    test_share: float = 0.2,
    validation: float = HELD_OUT,
    seed: int = 0,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Fetch a classification data set of numbers from openml.org, through scikit-learn.

    The values are shifted and scaled so that the training part spans [0, 1]: each column of a
    table by its own range, images by one. Values for validation and testing may lie outside of it.

    Args:
        name: What OpenML calls it, such as `"Fashion-MNIST"` or `"letter"`.
        version: Which of several sets of that name; None takes the oldest that is active. Give
            it, so that the same call means the same data later.
        shape: The shape of one example, where the columns are an image: `(1, 28, 28)`.
        test_share: The share kept for testing, in (0, 1), the same of each class but for
            rounding.
        validation: The share of the others that is held out for validation, 0 for none.
        seed: Decides which examples are for testing.
        cache_folder: Where to keep the download. Without it nothing is written, and every call
            downloads again.

    Raises:
        OSError: If openml.org cannot be reached.
        ValueError: If there is no such set, it holds anything but numbers with a class for each
            row, values are missing, or the arguments do not fit it.

    Examples:
        >>> from topokit import networks
        >>> data = networks.fetch_openml("mnist_784", shape=(1, 28, 28))  # doctest: +SKIP
        >>> data.test_x.shape[1:]  # doctest: +SKIP
        (1, 28, 28)

    See Also:
        `make_dataset`, for arrays of one's own; `read_mnist` and `read_cifar10`, from files.
    """
    check_real("test_share", test_share, least=0, most=1, above=True, below=True)
    check_count("seed", seed, least=0)
    x, labels = _check_table(name, _fetch(name, version, cache_folder))
    classes, y = np.unique(labels, return_inverse=True)
    if shape is not None:
        x = _images(name, x, shape)
    train, test = split_by_class(y, round(test_share * len(y)), seed=seed)
    if not len(train) or not len(test):
        raise ValueError(
            f"test_share must leave examples in both parts of the {len(y)} of {name}; "
            f"given {test_share}"
        )
    rest, chosen = (train[part] for part in hold_out(y[train], validation))
    low, span = _range(x[rest])
    x = (x - low) / span
    return make_dataset(
        x[rest],
        y[rest],
        x[test],
        y[test],
        validation=(x[chosen], y[chosen]) if chosen.size else 0,
        classes=classes.tolist(),
        name=name,
    )


def _fetch(name: str, version: int | None, cache_folder: str | os.PathLike[str] | None) -> Any:
    """What scikit-learn makes of it: plain arrays, with no need of pandas."""
    try:
        with warnings.catch_warnings():
            # It tells of each retry; the last failure is told below.
            warnings.filterwarnings("ignore", "A network error occurred")
            return datasets.fetch_openml(
                name,
                version="active" if version is None else version,
                as_frame=False,
                parser="liac-arff",
                cache=cache_folder is not None,
                data_home=cache_folder,
            )
    except (OSError, HTTPException, EOFError) as error:
        raise OSError(
            f"{name} could not be fetched from openml.org ({error}); check the network, or use "
            f"data at hand: load_digits, read_mnist, read_cifar10"
        ) from error
    except ValueError as error:
        raise ValueError(f"OpenML has no data set {name!r} to fetch: {error}") from error


def _check_table(name: str, table: Any) -> tuple[Float[np.ndarray, "n k"], np.ndarray]:
    """The columns and the class of each row."""
    x, labels = table.data, table.target
    named = set(table.categories or ()) & set(table.feature_names)
    if named or not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu" or x.ndim != 2:
        found = (
            f"{len(named)} columns of categories" if named else f"{type(x).__name__} of {x.dtype}"
        )
        raise ValueError(f"{name} must be a dense table of numbers; found {found}: choose another")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must have no missing values: choose another set or version")
    texts = isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "OU"
    if not texts or not all(isinstance(label, str) for label in labels.tolist()):
        raise ValueError(
            f"{name} must have one class for each row; its target is numeric, missing or several "
            f"columns: choose a set for classification"
        )
    return x.astype(float), labels.astype(str)


def _images(name: str, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if min(shape, default=0) < 1 or np.prod(shape) != x.shape[1]:
        raise ValueError(f"shape must have the {x.shape[1]} values of {name}; given {shape}")
    return x.reshape(len(x), *shape)


def _range(x: Float[np.ndarray, "n *shape"]) -> tuple[Any, Any]:
    """The least value and the span; a constant column spans 1."""
    axes = 0 if x.ndim == 2 else None
    low = x.min(axis=axes)
    span = x.max(axis=axes) - low
    return low, np.where(span > 0, span, 1)
