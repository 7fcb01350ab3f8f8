"""The Sparse DNN Graph Challenge: its networks, its input, and inference that is checked.

Source: J. Kepner and others, "Sparse Deep Neural Network Graph Challenge", IEEE HPEC, 2019.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
