"""The first calls of a test are checked, and those of the next test again."""

from collections.abc import Callable

import numpy as np
import pytest
import typechecker
from jaxtyping import Float, TypeCheckError, jaxtyped
from typechecker import CALLS, begin_test, checked

SQUARE, OTHER = np.ones((2, 2)), np.ones((2, 3))


class Doors:
    """Functions as they stand in classes and modules."""

    @staticmethod
    @jaxtyped(typechecker=checked)
    def fixed(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
        return np.diag(matrix)

    @jaxtyped(typechecker=checked)
    def bound(self, matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
        return np.diag(matrix)


@jaxtyped(typechecker=checked)
def plain(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    return np.diag(matrix)


@pytest.mark.parametrize(
    "function", [plain, Doors.fixed, Doors().bound], ids=["plain", "fixed", "bound"]
)
def test_a_wrong_shape_is_refused_in_the_first_calls_of_each_test(function) -> None:
    for _ in range(2):
        with pytest.raises(TypeCheckError):
            function(OTHER)
        for _ in range(CALLS):
            function(SQUARE)
        assert function(OTHER).shape == (2,), "later calls are let pass"
        begin_test()


def inner() -> Callable:
    """A function that is defined anew at each call."""

    @jaxtyped(typechecker=checked)
    def inside(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
        return np.diag(matrix)

    return inside


def test_a_function_inside_another_is_one_whose_checks_are_compiled_once(monkeypatch) -> None:
    compiled = []
    strict = typechecker._strict
    monkeypatch.setattr(typechecker, "_checks", {})
    monkeypatch.setattr(typechecker, "_strict", lambda f: compiled.append(f) or strict(f))
    for _ in range(CALLS):
        inner()(SQUARE)
    assert len(compiled) == 2, "of the arguments, and of the result"
    assert inner()(OTHER).shape == (2,), "later calls are let pass"
    begin_test()
    with pytest.raises(TypeCheckError):
        inner()(OTHER)
