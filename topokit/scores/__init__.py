"""What a topology can do, counted on its graph alone: no data, no training.

The numbers climb from counting to calculus. `structure` counts edges, paths and signals;
`satisfiable_constraints` is how many entries of the end-to-end matrix could each claim an edge of
their own; `degrees_of_freedom` is how many directions the trainable weights can truly move it in;
`leverage` and `controllability` say where in the matrix that freedom lies. `score` is all of them,
`diagnose` says in words what they mean, and `rivals` are what others judge sparse networks by.

Modules load on first use: only `controllability`, `score` and `diagnose` need JAX.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
