"""Tests that need other people's packages, which `make interop` installs: it runs these alone."""

from importlib.util import find_spec

import pytest
from _pytest.mark import ParameterSet

# The rooms that need such a package, and which.
ROOMS = {"torch": "torch", "flax": "flax"}


def needing(package: str) -> list[pytest.MarkDecorator]:
    """The marks of a test that is skipped, and says so, where the package is not installed."""
    reason = f"{package} is not installed: make interop"
    missing = find_spec(package) is None
    return [pytest.mark.interop, pytest.mark.skipif(missing, reason=reason)]


def by_room(path: str) -> ParameterSet:
    """A case named by a path such as `torch.sparsify`, which needs what its room needs."""
    room = path.removeprefix("topokit.").partition(".")[0]
    return pytest.param(path, marks=needing(ROOMS[room]) if room in ROOMS else [])
