"""Rankings and sweeps: scores and reconstruction losses of many topologies at once.

`rank` and `sweep` go one way. Topologies become subjects, compiled and told apart by a hash of
their arrays (`_subjects`); each subject gives tasks, to score it or to rebuild matrices with it,
under the key of all that decides what they find (`_tasks`, `_content_keys`). One engine runs the
tasks, here or in any executor, writes each finding into the store in the moment in which it
arrives, and hands it on (`_run`, `_store`); failures are collected, and told at the end
(`_unfinished`). The doors join findings to rows, and a ranking shows itself as a table (`_rank`,
`_sweep`, `_rows`, `_mean_losses`, `_ranked`); `_agreement` says how far to trust it. The command
line calls `rank` like everybody else, and learns of each row, and of its maps (`_maps`), by the
callback. `networks` chooses by the same engine, with tasks of its own (`_task`).
"""

from topokit.ranking._agreement import Agreement as Agreement
from topokit.ranking._agreement import agreement as agreement
from topokit.ranking._agreement import remarks as remarks
from topokit.ranking._content_keys import describe as describe
from topokit.ranking._content_keys import key_of as key_of
from topokit.ranking._default import default_budget as default_budget
from topokit.ranking._default import default_topologies as default_topologies
from topokit.ranking._drawn_targets import gaussian_targets as gaussian_targets
from topokit.ranking._maps import Maps as Maps
from topokit.ranking._maps import read_maps as read_maps
from topokit.ranking._maps import write_maps as write_maps
from topokit.ranking._mean_losses import mean_losses as mean_losses
from topokit.ranking._pool import process_pool as process_pool
from topokit.ranking._ranked import Ranking as Ranking
from topokit.ranking._rows import MeanLoss as MeanLoss
from topokit.ranking._rows import Result as Result
from topokit.ranking._rows import Row as Row
from topokit.ranking._rows import SizedLoss as SizedLoss
from topokit.ranking._run import run as run
from topokit.ranking._store import Entry as Entry
from topokit.ranking._sweep import read_store as read_store
from topokit.ranking._sweep import sweep as sweep
from topokit.ranking._task import Finding as Finding
from topokit.ranking._task import Found as Found
from topokit.ranking._task import Task as Task
from topokit.ranking._task import check_precision as check_precision
from topokit.ranking._task import own_precision as own_precision
from topokit.ranking._unfinished import UnfinishedError as UnfinishedError

# What a user finds here; the rest is for other rooms.
__all__ = [
    "Agreement",
    "agreement",
    "default_budget",
    "default_topologies",
    "gaussian_targets",
    "Maps",
    "mean_losses",
    "MeanLoss",
    "process_pool",
    "Ranking",
    "read_maps",
    "read_store",
    "remarks",
    "Result",
    "Row",
    "SizedLoss",
    "sweep",
    "UnfinishedError",
    "write_maps",
]


def __dir__() -> list[str]:
    return __all__
