"""Arrays of a module that are part of what it is, and of nothing that is trained, cast or saved.

Buffers would be sent from process to process before every step of a distributed training, and cast
and saved with the weights. These arrays follow their module to its device, and no more.
"""

from collections.abc import Callable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]


class IndexArrays(nn.Module):
    """A module that keeps such arrays as attributes."""

    def __init__(self) -> None:
        """Keep none yet."""
        super().__init__()
        self._kept: list[str] = []

    def keep(self, **arrays: np.ndarray) -> None:
        """Keep arrays under these names."""
        for name, array in arrays.items():
            # With its numbers, even where modules are made without, on the device "meta".
            setattr(self, name, torch.tensor(array, device="cpu"))
            self._kept.append(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "IndexArrays":
        super()._apply(fn, recurse)
        for name in self._kept:
            array = getattr(self, name)
            device = fn(array[:0]).device
            if device.type != "meta":
                setattr(self, name, array.to(device))
        return self
