"""What decides a training, as text: a line for each part, the same in every process.

What of a part can be compared is compared (`topokit._comparable`); of what cannot, such as a lambda
or an optimizer, nothing is guessed: the caller states what it is.
"""

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import numpy as np

from topokit._comparable import comparable_lines
from topokit._records import brief

# Where a name goes on to a part: before a dot or a bracket.
STEP = r"(?=[.\[])"


def fingerprint(settings: Mapping[str, Any], **parts: Any) -> dict[str, str]:
    """Every part by its name, such as `model.layers[1].weight`, with what can be compared of it.

    Args:
        settings: What the caller states, by the name of what it stands for, or by that of anything
            that this is a part of: `{"optimizer": ["adam", 3e-3]}`. The values are themselves such
            as can be compared.
        **parts: All that decides a training, under the names to tell of it by.

    Raises:
        ValueError: If something cannot be compared and is not stated.
    """
    found = [line for name, part in parts.items() for line in comparable_lines(name, part)]
    places: dict[int, list[str]] = {}  # of one thing, which need be stated at one of them alone
    for name, text, node in found:
        if text is None:
            places.setdefault(id(node), []).append(name)
    unstated = [
        names[0]
        for names in places.values()
        if not any(_lies_in(name, whole) for name in names for whole in settings)
    ]
    if unstated:
        named = {name for name, _, _ in found}
        raise ValueError(_to_state(unstated, [name for name in settings if name not in named]))
    stated = list(comparable_lines("settings", _plainly(dict(settings))))
    opaque = [name for name, text, _ in stated if text is None]
    if opaque:
        raise ValueError(
            f"{opaque[0]} must be a number, a text, an array, or a list or dict of such, which "
            "another process can compare"
        )
    return {name: text for name, text, _ in found + stated if text is not None}


def check_settings(settings: Any) -> dict[str, Any]:
    """What a caller states, None for nothing, whether or not anything is kept."""
    if not isinstance(settings, Mapping | None):
        raise ValueError(
            f"settings must be a dict of plain values; given {brief(settings)}: name what each "
            "stands for, such as {'optimizer': ['adam', 0.003]}"
        )
    return dict(settings or {})


def _to_state(unstated: list[str], strange: list[str]) -> str:
    """What to state, with what stands in the settings and is the name of nothing."""
    by_root: dict[str, list[list[str]]] = {}
    for name in unstated:
        steps = re.split(STEP, name)
        by_root.setdefault(steps[0], []).append(steps)
    values = ", ".join(f"{''.join(_common(names))!r}: ..." for names in by_root.values())
    missed = f" (the settings given for {', '.join(map(repr, strange))} name no part of it)"
    return (
        f"what is kept of a training cannot tell {', '.join(unstated)} from others like it"
        f"{missed if strange else ''}: state what decides it by plain values, "
        f"settings={{{values}}}, such as {{'optimizer': ['adam', 0.003]}}; or use functions that "
        "a module names"
    )


def _common(names: list[list[str]]) -> list[str]:
    """What several names begin with."""
    same = takewhile(lambda steps: len({*steps}) == 1, zip(*names, strict=False))
    return [steps[0] for steps in same]


def _plainly(value: Any) -> Any:
    """A setting, equal for equal values: numbers of numpy and tuples as plain ones and lists."""
    match value:
        case dict():
            return {key: _plainly(part) for key, part in value.items()}
        case tuple() | list() if not hasattr(value, "_fields"):
            return [_plainly(part) for part in value]
        case np.generic():
            return value.item()
    return value


def _lies_in(name: str, whole: str) -> bool:
    return name == whole or name.startswith((f"{whole}.", f"{whole}["))
