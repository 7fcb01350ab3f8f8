"""Topologies in Flax: an `nnx.Module` with one parameter for each trainable edge.

It is the layer of `topokit.networks`, kept as Flax keeps modules: the same products, first weights
and bits. Needs the extra `flax`; modules load on first use, and what is missing then is told with
the extra that brings it.
"""

from typing import Any

import lazy_loader as lazy

from topokit._extras import extras_named

_attribute, __dir__, __all__ = lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with extras_named():
        return _attribute(name)
