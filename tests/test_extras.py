"""What only an extra brings: every such package is known, and a missing one is told with it."""

import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit
from test_house import MODULES, PROJECT, imported

from topokit import networks
from topokit._extras import EXTRAS, MissingExtraError, extras_named


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


@cache
def distributions() -> Mapping[str, list[str]]:
    """Reads all that is installed."""
    return packages_distributions()


def distribution(package: str) -> str:
    """Of what is not installed here, the name alone is known."""
    return canonicalize_name(distributions().get(package, [package])[0])


def test_every_import_is_required_or_known_to_come_with_an_extra() -> None:
    found = {name.partition(".")[0] for module in MODULES for name in imported(module)}
    foreign = found - sys.stdlib_module_names - {"topokit"}
    core = names(PROJECT["dependencies"])
    assert {p for p in foreign if distribution(p) not in core} <= EXTRAS.keys()


@pytest.mark.parametrize("package", EXTRAS)
def test_the_extra_that_is_named_brings_the_package(package: str) -> None:
    extra = PROJECT["optional-dependencies"][EXTRAS[package]]
    assert distribution(package) in names(extra)


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_package_is_told_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"{package}.*{EXTRAS[package]}"), extras_named():
        import_module(package)


def test_another_missing_package_is_a_fault_like_any() -> None:
    with pytest.raises(ModuleNotFoundError) as caught, extras_named():
        import_module("a_package_that_nobody_has")
    assert caught.type is ModuleNotFoundError


def test_training_in_the_shell_without_the_extra_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(networks.__dict__, "load_digits", raising=False)
    monkeypatch.delitem(sys.modules, "topokit.networks._scikit", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = topokit("train")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "pip install '.[networks]'" in result.stderr
