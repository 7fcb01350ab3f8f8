"""Data sets from OpenML, by a stand-in for scikit-learn's download."""

from http.client import IncompleteRead
from urllib.error import URLError

import numpy as np
import pytest
from sklearn import datasets
from sklearn.utils import Bunch

from topokit.networks._scikit import fetch_openml

RNG = np.random.default_rng(0)
TABLE = RNG.normal(5, 3, (50, 4))
LABELS = np.array(["red", "green", "blue", "red", "green"] * 10, dtype=object)


@pytest.fixture
def serve(monkeypatch):
    """Let scikit-learn give this table, or raise this error; what it was asked for is kept."""

    def install(error: Exception | None = None, **changes) -> dict:
        asked = {}

        def fetch(name: str, **options) -> Bunch:
            asked.update(options, name=name)
            if error:
                raise error
            table = {"data": TABLE, "target": LABELS, "categories": {}, "feature_names": [*"abcd"]}
            return Bunch(**table | changes)

        monkeypatch.setattr(datasets, "fetch_openml", fetch)
        return asked

    return install


def test_the_training_part_of_each_column_spans_the_unit_interval(serve):
    serve(data=np.c_[TABLE[:, :3], np.full(50, 7.0)])
    data = fetch_openml("colors")
    np.testing.assert_allclose(data.train_x.min(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(data.train_x.max(axis=0), [1, 1, 1, 0], rtol=1e-6)
    assert (data.name, data.shape, data.classes) == ("colors", (4,), ("blue", "green", "red"))


def test_images_keep_their_one_scale(serve):
    serve()
    data = fetch_openml("pictures", shape=(1, 2, 2))
    assert (data.shape, data.train_x.min(), data.train_x.max()) == ((1, 2, 2), 0, 1)
    values = np.sort(np.r_[data.train_x, data.validation_x, data.test_x], axis=None)
    line = np.polynomial.Polynomial.fit(np.sort(TABLE, axis=None), values, 1)
    np.testing.assert_allclose(line(np.sort(TABLE, axis=None)), values, atol=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_each_example_keeps_its_label_and_each_class_its_share(serve, share):
    codes = np.unique(LABELS.astype(str), return_inverse=True)[1]
    serve(data=np.c_[np.arange(50.0), codes])
    data = fetch_openml("colors", test_share=share, validation=0.25)
    np.testing.assert_allclose(data.train_x[:, 1] * 2, data.train_y)
    np.testing.assert_allclose(data.validation_x[:, 1] * 2, data.validation_y)
    assert len(data.validation_y) == round(0.25 * (50 - round(50 * share)))
    np.testing.assert_allclose(data.test_x[:, 1] * 2, data.test_y)
    counts = np.bincount(data.test_y)
    assert counts.sum() == round(50 * share)
    assert (abs(counts - share * np.array([10, 20, 20])) < 1).all()


def test_the_seed_decides_the_parts(serve):
    serve()
    one, same, other = (fetch_openml("colors", seed=seed) for seed in (3, 3, 4))
    assert one == same
    assert not np.array_equal(one.test_x, other.test_x)


def test_nothing_is_kept_unless_a_folder_is_named(serve, tmp_path):
    asked = serve()
    fetch_openml("colors")
    assert (asked["cache"], asked["version"], asked["as_frame"]) == (False, "active", False)
    fetch_openml("colors", version=2, cache_folder=tmp_path)
    assert (asked["cache"], asked["version"], asked["data_home"]) == (True, 2, tmp_path)


@pytest.mark.parametrize("error", [URLError("no route"), TimeoutError(), IncompleteRead(b"")])
def test_a_network_that_fails_is_told_in_one_line(serve, error):
    serve(error)
    with pytest.raises(OSError, match="^colors could not be fetched from openml.org .*$"):
        fetch_openml("colors")


def test_a_name_that_openml_does_not_know_is_told(serve):
    serve(ValueError("Dataset colours with version active not found."))
    with pytest.raises(ValueError, match="no data set 'colours'.*not found"):
        fetch_openml("colours")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"categories": {"a": ["x", "y"]}}, {}, "1 columns of categories"),
        ({"data": TABLE.astype(str)}, {}, "must be a dense table of numbers"),
        ({"data": np.where(TABLE > 9, np.nan, TABLE)}, {}, "no missing values"),
        ({"target": np.arange(50.0)}, {}, "set for classification"),
        ({"target": None}, {}, "set for classification"),
        ({"target": np.array([None, *LABELS[1:]])}, {}, "set for classification"),
        ({"target": np.c_[LABELS, LABELS]}, {}, "set for classification"),
        ({}, {"shape": (1, 3, 3)}, "shape must have the 4 values of colors"),
        ({}, {"shape": (-1, -4)}, "shape must have the 4 values of colors"),
        ({}, {"test_share": 1.5}, r"test_share must be a number in \(0, 1\)"),
        ({}, {"test_share": 0.001}, "test_share must leave examples in both parts of the 50"),
        ({}, {"test_share": 0.999}, "test_share must leave examples in both parts of the 50"),
        ({}, {"validation": 0.99}, "validation=0.99 leaves none of the 40 examples"),
        ({}, {"validation": -0.1}, r"validation must be a number in \[0, 1\)"),
        ({}, {"seed": -1}, "seed must be an integer of at least 0"),
    ],
)
def test_what_is_no_table_of_numbers_with_classes_is_refused(serve, table, options, message):
    serve(**table)
    with pytest.raises(ValueError, match=message):
        fetch_openml("colors", **options)
