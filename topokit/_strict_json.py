"""JSON from a stranger: what other parsers change or drop without a word is refused."""

import json
from collections import Counter
from collections.abc import Callable
from math import isinf
from typing import Any

from topokit._escapes import shown

QUOTED = 60


def from_json(text: str | bytes, finished: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of a JSON text in UTF-8.

    Args:
        text: The text.
        finished: What becomes of an object.

    Raises:
        ValueError: If it is none, gives a key of an object twice, or has a number beyond all
            floats or one of thousands of digits.
    """

    def as_object(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) < len(pairs):
            (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
            raise ValueError(f"the key '{shown(twice, QUOTED)}' is given twice")
        return found if finished is None else finished(found)

    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        return json.loads(text, object_pairs_hook=as_object, parse_float=_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _number(text: str) -> float:
    if isinf(value := float(text)):
        raise ValueError(f"the number {shown(text, QUOTED)} is too large")
    return value
