"""Whether constants fit the numbers that a network is computed with."""

import numpy as np

from topokit.layers._recipe import Layers


def check_constants(layers: Layers, dtype: type | np.dtype) -> None:
    """Refuse constants that would become infinite or 0 in numbers of a type, of 32 or 64 bits.

    Raises:
        ValueError: If one would.
    """
    sizes = np.abs(np.concatenate(layers.constant)[~np.concatenate(layers.trainable)])
    held = np.finfo(np.dtype(dtype))
    least, most = sizes.min(initial=np.inf), sizes.max(initial=0.0)
    if least < held.tiny or most > held.max:
        raise ValueError(
            f"constants from {least:.2g} to {most:.2g} in size do not fit the numbers that are "
            f"computed with, {held.dtype} from {held.tiny:.2g} to {held.max:.2g}; give nearer ones"
        )
