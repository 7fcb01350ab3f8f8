"""What a designer reads from a topology: where it is weak, by numbers and in words.

Each module finds one kind of weakness: constant edges that are missing, pairs that no path joins,
unevenness of K, layers that let too few signals pass, weights that do nothing of their own. The
four criteria (NeuroFabric, section VII.E) judge them, and the report puts all of it in order.
"""

from topokit.diagnosis._bottleneck import Bottleneck as Bottleneck
from topokit.diagnosis._criteria import Criterion as Criterion
from topokit.diagnosis._diagnosis import Diagnosis as Diagnosis
from topokit.diagnosis._fairness import Fairness as Fairness
from topokit.diagnosis._fairness import Pair as Pair
from topokit.diagnosis._reach import Reach as Reach
from topokit.diagnosis._skips import Skips as Skips
from topokit.diagnosis._waste import Waste as Waste
