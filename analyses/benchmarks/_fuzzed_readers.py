"""All readers of topokit that are attacked: a row for each, which names what it is held against."""

from analyses.benchmarks import _fuzzed_data, _fuzzed_results, _fuzzed_topologies
from analyses.benchmarks._fuzzing import Reader

ROOMS = (_fuzzed_topologies, _fuzzed_data, _fuzzed_results)
READERS: dict[str, Reader] = {reader.name: reader for room in ROOMS for reader in room.READERS}
