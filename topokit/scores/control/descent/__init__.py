"""The paper's descent (NeuroFabric section VI.C), in the marginal and in the pairwise form.

It loads on first use, for it needs JAX, and scores do not.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
