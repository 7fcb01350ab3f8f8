"""Arrays of a module that are part of what it is, and of nothing that is trained, cast or saved.

Buffers would be sent from process to process before every step of a distributed training, and cast
and saved with the weights. These arrays follow their module to its device, and no more: with it
where it is moved, and to its signals where weights came to a device by another way, as one by one.
"""

from collections.abc import Callable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

# The device whose arrays have no numbers, where these stay away.
NUMBERLESS = "meta"


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

    def follow(self, device: torch.device) -> None:
        """Bring all arrays to a device, those of the modules inside too, with their numbers."""
        for module in self.modules():
            if isinstance(module, IndexArrays):
                for name in module._kept:
                    module._bring(name, device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "IndexArrays":
        super()._apply(fn, recurse)
        for name in self._kept:
            self._bring(name, fn(getattr(self, name)[:0]).device)
        return self

    def _bring(self, name: str, device: torch.device) -> None:
        array = getattr(self, name)
        if array.device != device and device.type != NUMBERLESS:
            setattr(self, name, array.to(device))
