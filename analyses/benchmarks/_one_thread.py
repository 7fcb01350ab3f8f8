"""Importing this holds the process to one thread; it has to come before jax, numpy and torch.

On Linux the process is held to one core, from which XLA, OpenMP and OpenBLAS take the number of
their threads. The variables say the same where a system knows no affinity.
"""

import os
import sys

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
if sys.platform == "linux":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def n_cores() -> int | None:
    """Cores that this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else None
