"""Every public docstring shows an example, and each example prints what it says."""

import doctest
import inspect
from pathlib import Path

import matplotlib as mpl
import pytest
from public import DEFINED

# What a machine without network, or without data that cannot be carried along, has no example of.
FETCHED = {
    "topokit.networks.fetch_openml",
    "topokit.networks.read_cifar10",
    "topokit.networks.read_mnist",
}
SHOWN = {path: inspect.getdoc(value) or "" for path, value in DEFINED.items()}


@pytest.mark.parametrize("path", sorted(DEFINED.keys() - FETCHED))
def test_the_example_of_a_name_prints_what_it_says(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    _, *sections = SHOWN[path].split("\nExamples:\n")
    assert len(sections) == 1, "no section Examples, or several"
    test = doctest.DocTestParser().get_doctest(sections[0], {}, path, None, None)
    said: list[str] = []
    found = doctest.DocTestRunner().run(test, out=said.append)
    assert found.attempted > 1
    assert found.failed == 0, "".join(said)
