"""What a topology can do, counted on its graph alone: no data, no training.

The numbers climb from counting to calculus. `structure` counts edges, paths and signals;
`satisfiable_constraints` is how many entries of the end-to-end matrix could each claim an edge of
their own; `degrees_of_freedom` is how many directions the trainable weights can truly move it in;
`leverage` and `controllability` say where in the matrix that freedom lies. `score` is all of them.
These stand at the front door; here are their results, the numbers in between, estimates for large
networks, and `rivals`, what others judge sparse networks by.

Modules load on first use: only descents, and the canonical K of large networks where inputs crowd,
need JAX.
"""

import lazy_loader as lazy

__getattr__, _, __all__ = lazy.attach_stub(__name__, __file__)
__all__.remove("score")  # stands at the front door
__all__.remove("score_and_leverage")  # for other rooms, as the next
__all__.remove("leverage_and_loss")


def __dir__() -> list[str]:
    return __all__
