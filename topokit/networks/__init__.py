"""Sparse networks that learn: a topology in the place of each dense layer.

A layer stores, differentiates and optimizes one number for each edge. Layers are Equinox modules,
so that they go wherever JAX code takes those. Needs the extra `networks`; modules load on first
use, and what is missing then is told with the extra that brings it.
"""

from typing import Any

import lazy_loader as lazy

from topokit._extras import extras_named

_attribute, __dir__, __all__ = lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with extras_named():
        return _attribute(name)
