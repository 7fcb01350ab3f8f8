"""Sparse networks that learn: a topology in the place of each dense layer.

A layer stores, differentiates and optimizes one number for each edge. Layers are Equinox modules,
so that they go wherever JAX code takes those. Needs the extra `networks`; modules load on first
use.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
