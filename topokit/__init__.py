"""Build, score and rank the wiring of a priori sparse neural networks, without data."""

import lazy_loader as lazy

__version__ = "0.6.0"

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
