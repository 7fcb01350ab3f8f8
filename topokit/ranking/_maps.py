"""Where the control of a topology lies: its three maps, and the file that keeps those of many.

The file is an npz archive. Its array `names` holds the names of the topologies, as the bytes of a
JSON list in UTF-8: numpy's own texts lose NULs at their ends. The maps of the one that stands there
at place `i` are the arrays `control_i`, `descent_i` and `leverage_i`, as far as there are such: no
name of a topology is one of an array, so that any name will do.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from topokit._archives import read_archive, write_archive
from topokit._atomic import replacing
from topokit._docstrings import meanings
from topokit._escapes import shown
from topokit._html import heat_map
from topokit._limits import TooLargeError
from topokit._records import Record, brief
from topokit._regular_files import opened
from topokit._strict_json import from_json


class Maps(Record):
    """Three maps of a topology, each an array `(n_in, n_out)`, or None beyond its limit.

    Attributes:
        control: The canonical K, by `topokit.controllability`: of all K of least loss the most
            even one, so that what is uneven in it is the wiring's.
        descent: The paper's K, by `controllability(topology, fairness=False)`: where plain descent
            ends. It shows the patterns of NeuroFabric's figure 5, and has the total of the
            canonical one. None beyond four million shares to descend on, `n_in` for each edge,
            where it would take minutes.
        leverage: The share of each entry that the weights control, by `topokit.leverage`, over the
            draws of weights behind `topokit.predicted_loss`: it sums to the degrees of freedom.
            None beyond the limits of that function.

    Examples:
        >>> import topokit as tk
        >>> quick, seen = tk.reconstruction.HierarchicalSVD(), []
        >>> topologies = {"rank 2": tk.topologies.low_rank(8, 8, 2)}
        >>> rows = tk.rank(topologies, solver=quick, callback=lambda row, maps: seen.append(maps))
        >>> (maps,) = seen
        >>> maps.control.shape, round(float(maps.leverage.sum()), 6)
        ((8, 8), 28.0)

    See Also:
        `topokit.rank`, which hands them to its callback; `write_maps`, which keeps them.
    """

    control: Float[np.ndarray, "n_in n_out"] | None
    descent: Float[np.ndarray, "n_in n_out"] | None
    leverage: Float[np.ndarray, "n_in n_out"] | None

    def _repr_html_(self) -> str:
        """Those that there are as pictures, for notebooks."""
        said = meanings(type(self))
        found = ((name, array) for name, array in self._asdict().items() if array is not None)
        return "".join(heat_map(array, f"{name} ({said[name]})") for name, array in found)


def write_maps(maps: Mapping[str, Maps], path: str | os.PathLike[str]) -> None:
    """Keep the maps of topologies in one file, which appears whole or not at all.

    The file is a compressed npz archive: `names` lists the topologies, as the bytes of a JSON list,
    and `control_0`, `descent_0` and `leverage_0` are the maps of the first of them, as far as there
    are such, `control_1` is of the second, and so on.

    Args:
        maps: Maps by the name of their topology; any text is a name.
        path: Where to write; an existing file is replaced.

    Raises:
        ValueError: If it would not read back equal: a name is no text, or what stands under it
            are no `Maps` of one shape `(n_in, n_out)`.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> H = tk.leverage(tk.topologies.butterfly(8))
        >>> tk.ranking.write_maps({"mine": tk.ranking.Maps(None, None, H)}, "maps.npz")
        >>> sorted(np.load("maps.npz"))
        ['leverage_0', 'names']

    See Also:
        `read_maps`, which reads them again.
    """
    if not isinstance(maps, Mapping):
        raise ValueError(f"maps must be a dict of Maps by name; given {brief(maps)}")
    for name, each in maps.items():
        _check(name, each)
    # UTF-8 tells two lone surrogates from the pair, which are escaped alike.
    names = json.dumps(list(maps), ensure_ascii=False).encode(errors="surrogatepass")
    arrays: dict[str, Any] = {"names": np.frombuffer(names, np.uint8)}
    for place, each in enumerate(maps.values()):
        arrays |= {f"{kind}_{place}": array for kind, array in _found(each).items()}
    with replacing(Path(path)) as part, part.open("wb") as file:
        write_archive(file, arrays)


def read_maps(path: str | os.PathLike[str]) -> dict[str, Maps]:
    """The maps of topologies by name, as `write_maps` kept them.

    Raises:
        ValueError: If the file is not one that `write_maps` wrote.
        OSError: If there is no such file, or it cannot be read.

    Examples:
        >>> import topokit as tk
        >>> H = tk.leverage(tk.topologies.butterfly(8))
        >>> maps = {"mine": tk.ranking.Maps(None, None, H)}
        >>> tk.ranking.write_maps(maps, "maps.npz")
        >>> tk.ranking.read_maps("maps.npz") == maps
        True

    See Also:
        `write_maps`, which wrote the file.
    """
    with opened(Path(path)) as file:
        try:
            return _maps_of(read_archive(file))
        except TooLargeError as error:
            raise TooLargeError(f"{path}: {error}") from error
        except ValueError as error:
            raise ValueError(
                f"{path} holds no maps of topologies: give the maps.npz of a ranking "
                f"({shown(error)})"
            ) from error


def _maps_of(arrays: dict[str, np.ndarray]) -> dict[str, Maps]:
    """All maps of an archive, in which there is nothing else."""
    names = _names(arrays.pop("names", np.zeros(0)))
    maps = {}
    for place, name in enumerate(names):
        held = {kind: arrays.pop(f"{kind}_{place}", None) for kind in Maps.__dataclass_fields__}
        _check_arrays(name, {kind: array for kind, array in held.items() if array is not None})
        maps[name] = Maps(**held)
    if arrays:
        raise ValueError(f"it holds {min(arrays)}, which is no map of a topology that it names")
    return maps


def _names(stored: np.ndarray) -> list[str]:
    text = stored.tobytes().decode(errors="surrogatepass") if stored.dtype == np.uint8 else "0"
    names = from_json(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its array `names` is no list of texts")
    if len(set(names)) < len(names):
        raise ValueError("its array `names` has the same name twice")
    return names


def _found(maps: Maps) -> dict[str, np.ndarray]:
    return {kind: array for kind, array in maps._asdict().items() if array is not None}


def _check(name: Any, maps: Any) -> None:
    """Raise a ValueError unless a name is a text, and what stands under it are maps of numbers."""
    if not isinstance(name, str):
        raise ValueError(f"the name of a topology must be a text; given {brief(name)}")
    if not isinstance(maps, Maps):
        raise ValueError(f"the maps of {brief(name)} must be Maps; given {brief(maps)}")
    _check_arrays(name, _found(maps))


def _check_arrays(name: str, found: Mapping[str, Any]) -> None:
    """Raise a ValueError unless the maps that there are of a topology are floats of one shape."""
    for kind, array in found.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != 2:
            raise ValueError(
                f"{kind} of {brief(name)} must be an array of numbers, (n_in, n_out), as floats; "
                f"given {brief(array)}"
            )
    if len({array.shape for array in found.values()}) > 1:
        told = ", ".join(f"{kind} {array.shape}" for kind, array in found.items())
        raise ValueError(f"the maps of {brief(name)} must be of one shape; given {told}")
