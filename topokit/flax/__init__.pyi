from ._nnx_modules import SparseLinear as SparseLinear
from ._nnx_modules import from_equinox as from_equinox
from ._nnx_modules import to_equinox as to_equinox
