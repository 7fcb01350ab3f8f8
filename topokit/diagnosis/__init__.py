"""What a designer reads from a topology: where it is weak, by numbers and in words.

Each module finds one kind of weakness and keeps its numbers in a record of its own: constant edges
that are missing (`_skips`), pairs that no path joins (`_reach`), unevenness of K (`_fairness`),
layers that let too few signals pass (`_bottleneck`), weights that do nothing of their own
(`_waste`). `_criteria` draws the verdicts on the four criteria (NeuroFabric, section VII.E) from
those numbers alone, `_advice` says what to change, and `_in_words` puts all of it into words.
`diagnose` calls them in this order, and a `Diagnosis` is what they found.
"""

from topokit.diagnosis._bottleneck import Bottleneck as Bottleneck
from topokit.diagnosis._criteria import Criterion as Criterion
from topokit.diagnosis._diagnosis import Diagnosis as Diagnosis
from topokit.diagnosis._diagnosis import diagnose as diagnose
from topokit.diagnosis._diagnosis import diagnose_known as diagnose_known
from topokit.diagnosis._fairness import Fairness as Fairness
from topokit.diagnosis._fairness import Pair as Pair
from topokit.diagnosis._reach import Reach as Reach
from topokit.diagnosis._skips import Skips as Skips
from topokit.diagnosis._waste import Waste as Waste

# What a user finds here; `diagnose` stands at the front door, `diagnose_known` is for reports.
__all__ = [
    "Bottleneck",
    "Criterion",
    "Diagnosis",
    "Fairness",
    "Pair",
    "Reach",
    "Skips",
    "Waste",
]


def __dir__() -> list[str]:
    return __all__
