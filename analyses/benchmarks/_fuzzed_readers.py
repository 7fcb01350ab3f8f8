"""All readers of topokit that are attacked: a row for each, which names what it is held against."""

from analyses.benchmarks import _fuzzed_topologies
from analyses.benchmarks._fuzzing import Reader

READERS: dict[str, Reader] = {reader.name: reader for reader in [*_fuzzed_topologies.READERS]}
