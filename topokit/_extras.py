"""Packages that only an extra brings: where one is missing, one line says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager

# The extra that brings a package, by the name under which the package is imported.
EXTRAS = {
    "bokeh": "report",
    "equinox": "networks",
    "flax": "flax",
    "jax2onnx": "onnx",
    "jinja2": "report",
    "safetensors": "networks",
    "sklearn": "networks",
    "torch": "torch",
}


class MissingExtraError(ModuleNotFoundError):
    """A package is missing that an extra brings."""


@contextmanager
def extras_named() -> Iterator[None]:
    """Around an import: if a package of an extra is missing, raise what names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(
            f"the package {package!r} is missing; the extra {EXTRAS[package]!r} brings it: "
            f"pip install '.[{EXTRAS[package]}]' in the folder of topokit's pyproject.toml",
            name=error.name,
        ) from None
