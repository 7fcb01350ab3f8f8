"""Every public docstring shows an example, and each example prints what it says."""

import doctest
import inspect
import re
from pathlib import Path

import matplotlib as mpl
import pytest
from foreign import by_room
from public import DEFINED, PUBLIC

# Theirs need what has to be fetched first: they are shown, and not run.
FETCHED = {
    "topokit.networks.fetch_openml",
    "topokit.networks.read_cifar10",
    "topokit.networks.read_mnist",
}
SHOWN = {path: inspect.getdoc(value) or "" for path, value in DEFINED.items()}


@pytest.mark.parametrize("path", [*map(by_room, sorted(SHOWN))])
def test_the_example_of_a_name_prints_what_it_says(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    _, *sections = SHOWN[path].split("\nExamples:\n")
    assert len(sections) == 1, "no section Examples, or several"
    test = doctest.DocTestParser().get_doctest(sections[0], {}, path, None, None)
    skipped = [doctest.SKIP in example.options for example in test.examples]
    assert len(skipped) > 1
    assert any(skipped) == (path in FETCHED)
    said: list[str] = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


def test_see_also_leads_to_public_names() -> None:
    lost = set()
    for path, text in SHOWN.items():
        room = path.rsplit(".", 1)[0]
        for name in re.findall(r"`([\w.]+)[^`]*`", text.partition("\nSee Also:\n")[2]):
            if PUBLIC.keys().isdisjoint({name, f"{room}.{name}", f"topokit.{name}"}):
                lost.add((path, name))
    assert lost == set()
