"""A folder for results, refused before any work is done if that would replace other ones."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from topokit._regular_files import whole_bytes
from topokit._strict_json import from_json

CURE = "give another folder by --out, or --overwrite"


@contextmanager
def results_in(folder: Path) -> Iterator[None]:
    """Make the folder; what was made of it and its parents goes again, if nothing came into it."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            for place in made:
                place.rmdir()


def check_replaced(
    place: Path,
    wanted: Mapping[str, Any],
    held: Callable[[dict[str, Any]], Mapping[str, Any]],
    *,
    kind: str,
    others: Callable[[dict[str, Any]], str] = lambda _: "",
) -> None:
    """Refuse to replace results of other settings; the same ones go on.

    Args:
        place: The file of JSON that says what the folder holds, if it is there.
        wanted: The settings that are asked for, as JSON gives them.
        held: Those of what the file says.
        kind: What the file holds otherwise, such as "another ranking".
        others: What else of it is not asked for, in words.

    Raises:
        ValueError: If the settings differ, there is something else, or the file cannot be read.
    """
    if not place.exists():
        return
    try:
        said = from_json(whole_bytes(place))
        there, more = held(said), others(said)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise ValueError(f"{place} is damaged, or of another version of topokit: {CURE}") from None
    told = [
        f"{name} {_word(there.get(name))} there, {_word(wanted.get(name))} here"
        for name in {**there, **wanted}
        if there.get(name) != wanted.get(name)
    ]
    if told or more:
        raise ValueError(f"{place} holds {kind}, {'; '.join(filter(None, [*told, more]))}: {CURE}")


def _word(value: Any) -> str:
    """A setting of JSON as an option takes it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
