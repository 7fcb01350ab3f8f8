"""The search for the fairest plan, where no flow is even.

Modules load on first use: only large networks need JAX.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
