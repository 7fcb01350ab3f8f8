"""The Graph Challenge's inference in PyTorch: matrices times columns, on its default device.

Dead images are dropped after 1, 2, 4, 8 and so on layers, which takes little and saves most.
"""

from collections.abc import Callable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from analyses.benchmarks._challenge_peers import CAP, matrix
from topokit.challenge import ChallengeNetwork, Images


def by_matrices(network: ChallengeNetwork, *, dense: bool) -> Callable[[Images], np.ndarray]:
    """Put the layers on the device; then from images to the numbers of those that are left."""
    block = [matrix(network.senders(layer)).T.tocsr() for layer in range(network.period)]
    weights = [torch.tensor(m.toarray()) if dense else _csr(m) for m in block]

    def run(images: Images) -> np.ndarray:
        signals = _unpacked(torch.tensor(images.bits), network.neurons)
        numbers = torch.arange(1, len(images.bits) + 1)
        for layer in range(network.depth):
            signals = weights[layer % network.period] @ signals
            signals = signals.add_(network.bias).clamp_(0, CAP)
            if layer & (layer - 1) == 0 or layer == network.depth - 1:
                alive = signals.any(0)
                signals, numbers = signals[:, alive], numbers[alive]
        return numbers.cpu().numpy()

    return run


def _csr(m) -> "torch.Tensor":  # noqa: ANN001
    parts = (torch.tensor(part) for part in (m.indptr, m.indices, m.data))
    return torch.sparse_csr_tensor(*parts, m.shape)


def _unpacked(bits: "torch.Tensor", neurons: int) -> "torch.Tensor":
    """Pixels x images."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8)
    pixels = (bits[:, :, None] >> places) & 1
    return pixels.reshape(len(bits), -1)[:, :neurons].T.float().contiguous()
