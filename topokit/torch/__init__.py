"""Topologies in PyTorch: `torch.nn.Module`s with one parameter for each trainable edge.

The same layers as `topokit.networks` has for JAX, from the same recipes, with first weights of the
same distributions; `from_equinox` and `to_equinox` take weights over, bit for bit. Nothing here but
these two loads JAX. Needs the extra `torch`; modules load on first use, and what is missing then is
told with the extra that brings it.
"""

from typing import Any

import lazy_loader as lazy

from topokit._extras import extras_named

_attribute, __dir__, __all__ = lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with extras_named():
        return _attribute(name)
