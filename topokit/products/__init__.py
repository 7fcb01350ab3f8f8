"""Sparse products: the end-to-end matrix of a topology and its gradient, and initial weights."""

from topokit._xavier import sparse_xavier as sparse_xavier
from topokit._xavier import xavier_radii as xavier_radii
from topokit.products._ell import Network as Network
from topokit.products._ell import Run as Run
from topokit.products._ell import compile_network as compile_network
from topokit.products._ell import from_slots as from_slots
from topokit.products._ell import multiply as multiply
from topokit.products._ell import to_slots as to_slots
