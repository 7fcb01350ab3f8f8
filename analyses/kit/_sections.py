"""Sections of a study that are measured anew, while the others stay as they were kept.

What stays is marked in the provenance, under `kept`: which sections and cases, where their numbers
come from, and which constants were others then.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

VARIABLE = "ANALYSES_SECTIONS"  # tells the script which


def tell_sections(given: str | None, known: tuple[str, ...]) -> None:
    """Take a list with commas from the command line; None for all of them."""
    chosen = known if given is None else tuple(given.split(","))
    if wrong := [name for name in chosen if name not in known]:
        raise click.ClickException(
            f"--sections has no {', '.join(wrong)}; it takes some of {', '.join(known)}, with "
            "commas between"
        )
    os.environ[VARIABLE] = ",".join(chosen)


def chosen_sections(known: Iterable[str]) -> list[str]:
    """Those that are measured in this run, in the order in which they are known."""
    chosen = os.environ.get(VARIABLE)
    return [name for name in known if chosen is None or name in chosen.split(",")]


def with_kept(now: Mapping[str, Any], before: Mapping[str, Any], known: Iterable[str]) -> dict:
    """Numbers of this run and, marked, of sections not in it and cases it left out those before."""
    sections = tuple(known)
    own = chosen_sections(sections)
    stay = [name for name in sections if name not in own and name in before]
    cases = {name: _left_out(now[name], before.get(name, {})) for name in own if name in now}
    if not stay and not any(cases.values()):
        return dict(now)
    apart = {key: value for key, value in before.items() if key not in (*sections, "provenance")}
    then, today = dict(before["provenance"]), dict(now["provenance"])
    settings = then.pop("settings", {})
    other = {k: v for k, v in settings.items() if today["settings"].get(k) != v}
    kept = {"sections": stay, "cases": {name: [*each] for name, each in cases.items() if each}}
    kept |= {"provenance": then, "other settings": other} | apart
    places = {name: now[name] | each for name, each in cases.items()}
    places |= {name: before[name] for name in stay}
    first = {key: value for key, value in now.items() if key not in sections}
    first |= {"provenance": today | {"kept": kept}}
    return first | {name: places[name] for name in sections if name in places}


def _left_out(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Records from before of cases for which there was no time, or which have failed."""
    return {
        case: before[case]
        for case, record in now.items()
        if _is_missing(record) and not _is_missing(before.get(case, {"left_out": ""}))
    }


def _is_missing(record: Any) -> bool:
    return isinstance(record, Mapping) and set(record) == {"left_out"}
