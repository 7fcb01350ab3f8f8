"""Reconstruction of random matrices: what a topology's weights can really express."""

from topokit.reconstruction._adam import Adam as Adam
from topokit.reconstruction._als import ALS as ALS
from topokit.reconstruction._chain import Chain as Chain
from topokit.reconstruction._lbfgs import LBFGS as LBFGS
from topokit.reconstruction._problem import Parameters as Parameters
from topokit.reconstruction._problem import Problem as Problem
from topokit.reconstruction._problem import Solution as Solution
from topokit.reconstruction._problem import Solver as Solver
from topokit.reconstruction._reconstruct import Reconstruction as Reconstruction
from topokit.reconstruction._reconstruct import check_arguments as check_arguments
from topokit.reconstruction._reconstruct import end_to_end as end_to_end
from topokit.reconstruction._reconstruct import reconstruct as reconstruct
from topokit.reconstruction._satisfaction import L1_ADAM as L1_ADAM
from topokit.reconstruction._satisfaction import Satisfaction as Satisfaction
from topokit.reconstruction._satisfaction import satisfy as satisfy
from topokit.reconstruction._svd import HierarchicalSVD as HierarchicalSVD
from topokit.reconstruction._target_checks import check_number as check_number

# What a user finds here; the rest stands at the front door, or is for other rooms.
__all__ = [
    "ALS",
    "L1_ADAM",
    "LBFGS",
    "Adam",
    "Chain",
    "HierarchicalSVD",
    "Parameters",
    "Problem",
    "Reconstruction",
    "Satisfaction",
    "Solution",
    "Solver",
    "end_to_end",
    "satisfy",
]


def __dir__() -> list[str]:
    return __all__
