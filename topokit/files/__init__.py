"""Topologies in files, and other people's networks: `read`, `write`, `from_weights`."""

from topokit.files._from_weights import from_weights as from_weights
from topokit.files._topology_files import read as read
from topokit.files._topology_files import read_layers as read_layers
from topokit.files._topology_files import write as write
