"""Reconstruction of random matrices: what a topology's weights can really express."""

from topokit.reconstruction._losses import absolute_error as absolute_error
from topokit.reconstruction._losses import squared_error as squared_error
from topokit.reconstruction._reconstruct import Reconstruction as Reconstruction
from topokit.reconstruction._reconstruct import end_to_end as end_to_end
from topokit.reconstruction._reconstruct import reconstruct as reconstruct
from topokit.reconstruction._solvers import Adam as Adam
from topokit.reconstruction._solvers import Solution as Solution
from topokit.reconstruction._solvers import Solver as Solver
