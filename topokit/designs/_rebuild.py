"""What the first candidates really leave of random matrices."""

from dataclasses import replace

import numpy as np

from topokit.designs._candidates import Candidate
from topokit.reconstruction import reconstruct

TARGETS = 4


def rebuild(candidate: Candidate, *, seed: int) -> Candidate:
    """The candidate with its mean loss over Gaussian matrices, and the standard error of that."""
    shape = (TARGETS, candidate.layers.n_in, candidate.layers.n_out)
    targets = np.random.default_rng(seed).standard_normal(shape)
    loss = np.asarray(reconstruct(candidate.layers, targets, key=seed).loss)
    error = loss.std(ddof=1) / TARGETS**0.5
    return replace(candidate, measured_loss=float(loss.mean()), measured_loss_error=float(error))
