"""Topologies in files, and other people's networks: `read`, `write`, `from_weights`."""

from topokit.files._topologies import read as read
from topokit.files._topologies import read_layers as read_layers
from topokit.files._topologies import write as write
from topokit.files._weights import from_weights as from_weights
