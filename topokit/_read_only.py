"""Arrays of results that do not change."""

from typing import Any

import numpy as np


def read_only(value: Any) -> Any:
    """An array, or those of a tuple, not to be changed here; whoever else has them may change them.

    Anything else is left as it is.
    """
    if type(value) is tuple:
        return tuple(map(read_only, value))
    if not isinstance(value, np.ndarray) or not value.flags.writeable:
        return value
    seen = value.view()
    seen.flags.writeable = False
    return seen
