"""Models on their way to another process: functions that JAX compiled go by their names.

`pickle` refuses these, and most models hold some, such as `jax.numpy.ravel`.
"""

import pickle
from io import BytesIO
from pkgutil import resolve_name
from types import BuiltinFunctionType, FunctionType
from typing import Any

from topokit._comparable import name_of

# What goes by its name anyway.
PLAIN = type, FunctionType, BuiltinFunctionType


class ModelPickler(pickle.Pickler):
    """Pickles what `pickle` does, and whatever else a module names."""

    def reducer_override(self, obj: Any) -> Any:
        """How such a thing is found again; everything else goes its own way."""
        place = None if isinstance(obj, PLAIN) else name_of(obj)
        return NotImplemented if place is None else (resolve_name, (place,))


def to_send(model: Any) -> bytes:
    """A model as bytes, which `pickle.loads` reads."""
    file = BytesIO()
    ModelPickler(file).dump(model)
    return file.getvalue()
