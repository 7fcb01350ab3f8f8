"""Changes of the weights that change nothing else, known without a look at the Jacobian.

A hidden neuron whose weights are all free can have its in-edges scaled up and its out-edges down:
`+w` on the in-edges and `-w` on the out-edges moves nothing. These directions are independent.
"""

from itertools import accumulate

import numpy as np
from jaxtyping import Float
from scipy.sparse import csc_array, csr_array, hstack

from topokit.layers import Layers
from topokit.scores.freedom._jacobian_operator import Tangent
from topokit.scores.freedom._lsqr_projection import Operator
from topokit.scores.freedom._spanning_edges import free_neurons


def idle_directions(layers: Layers, tangent: Tangent) -> csc_array:
    """One column of length 1 for each free hidden neuron, one row for each of the Jacobian's."""
    starts = list(accumulate((edges.size for edges in tangent.edges), initial=0))
    entering, leaving = (
        [
            each[edges] / scales
            for each, edges, scales in zip(weights, tangent.edges, tangent.scales, strict=True)
        ]
        for weights in (tangent.into, tangent.weights)
    )
    blocks = [csr_array((starts[-1], 0))]
    for before, free in enumerate(free_neurons(layers)[1:-1]):
        into, out_of = tangent.receivers[before], tangent.senders[before + 1]
        neurons = np.concatenate([into, out_of])
        signed = np.concatenate([entering[before], -leaving[before + 1]])
        rows = starts[before] + np.arange(neurons.size)
        shape = starts[-1], free.size
        blocks.append(_unit_columns(csr_array((signed * free[neurons], (rows, neurons)), shape)))
    return csc_array(hstack(blocks))


def with_idle(operator: Operator, idle: csc_array) -> Operator:
    """The operator whose range is spanned by the Jacobian's rows and the idle directions."""
    (n_pairs, n_columns), n_idle = operator.shape, len(idle.indptr) - 1

    def combine(parts: np.ndarray) -> Float[np.ndarray, " columns"]:
        return operator.backward(parts[:n_pairs]) + idle @ parts[n_pairs:]

    def split(changes: np.ndarray) -> Float[np.ndarray, " rows"]:
        return np.concatenate([operator.forward(changes), idle.T @ changes])

    return Operator((n_columns, n_pairs + n_idle), combine, split)


def _unit_columns(matrix: csr_array) -> csr_array:
    """Scale columns to length 1 and leave out those of zeros."""
    lengths = np.sqrt(np.asarray((matrix * matrix).sum(axis=0)))
    kept = np.flatnonzero(lengths)
    return csr_array(matrix[:, kept] / lengths[kept])
