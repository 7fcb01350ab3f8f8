"""Models of shapes and sizes that cannot be are refused before any array is made."""

import jax
import pytest

from topokit._limits import TooLargeError
from topokit.networks import lenet5, lenet_300_100, mlp, mobilenet_v1

KEY = jax.random.key(0)
MODELS = {
    "mlp": lambda shape, n_classes: mlp(shape, [4], n_classes, key=KEY),
    "lenet_300_100": lambda shape, n_classes: lenet_300_100(shape, n_classes, key=KEY),
    "lenet5": lambda shape, n_classes: lenet5(shape, n_classes, key=KEY),
    "mobilenet_v1": lambda shape, n_classes: mobilenet_v1(shape, n_classes, key=KEY),
}
NOT_COUNTS = (-1, 0, 10**30, True)  # what is no integer at all, the tests of untyped calls give
each_model = pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)


@each_model
@pytest.mark.parametrize("wrong", NOT_COUNTS, ids=str)
@pytest.mark.parametrize("place", range(3))
def test_a_side_that_is_no_count_is_named(build, wrong, place) -> None:
    shape = [1, 8, 8]
    shape[place] = wrong
    with pytest.raises(ValueError, match=rf"^shape\[{place}\] must be an integer of at .*given"):
        build(shape, 3)


@each_model
def test_what_does_not_fit_is_refused_at_once(build) -> None:
    for shape, n_classes in (((1, 8, 8), 2**40), ((2**40, 8, 8), 3)):
        with pytest.raises(TooLargeError, match=r"^\w+ of widths \(.*\) needs [0-9.]+ .iB"):
            build(shape, n_classes)


def test_hidden_layers_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(TooLargeError, match=r"^mlp of widths \(8, .*, 2\) needs 44 TiB"):
        mlp((8,), [2**40], 2, key=KEY)
