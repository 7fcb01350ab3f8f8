"""Rankings and sweeps: scores and reconstruction losses of many topologies at once."""

from topokit.ranking._default import default_topologies as default_topologies
from topokit.ranking._drawn_targets import gaussian_targets as gaussian_targets
from topokit.ranking._pool import default_jobs as default_jobs
from topokit.ranking._pool import interrupts_ignored as interrupts_ignored
from topokit.ranking._pool import process_pool as process_pool
from topokit.ranking._pool import stop_processes as stop_processes
from topokit.ranking._rank import Evaluation as Evaluation
from topokit.ranking._rank import Row as Row
from topokit.ranking._rank import best_first as best_first
from topokit.ranking._rank import evaluate_all as evaluate_all
from topokit.ranking._rank import rank as rank
from topokit.ranking._sweep import Result as Result
from topokit.ranking._sweep import read_store as read_store
from topokit.ranking._sweep import sweep as sweep
from topokit.ranking._unfinished import UnfinishedError as UnfinishedError
