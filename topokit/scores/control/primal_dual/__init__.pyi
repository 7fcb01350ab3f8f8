from ._flow_steps import make_problem as make_problem
from ._on_device import has_device as has_device
from ._on_device import improve_on_device as improve_on_device
from ._on_host import begin_on_host as begin_on_host
from ._on_host import improve_on_host as improve_on_host
