from ._collectives import Collective as Collective
from ._collectives import traffic as traffic
from ._device_mesh import make_mesh as make_mesh
