"""Sections of a study that are measured anew, while the others stay as they were kept.

What stays is marked in the provenance, under `kept`: which sections, where their numbers come from,
and which constants were others then.
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
    """Numbers of this run and, of sections that are not in it, those from before, marked."""
    sections = tuple(known)
    own = chosen_sections(sections)
    stay = [name for name in sections if name not in own and name in before]
    if not stay:
        return dict(now)
    places = {**now, **{name: before[name] for name in stay}}
    apart = {key: value for key, value in before.items() if key not in (*sections, "provenance")}
    then, today = dict(before["provenance"]), dict(now["provenance"])
    settings = then.pop("settings", {})
    other = {k: v for k, v in settings.items() if today["settings"].get(k) != v}
    kept = {"sections": stay, "provenance": then, "other settings": other} | apart
    first = [key for key in places if key not in sections]
    order = [*first, *(name for name in sections if name in places)]
    return {key: places[key] for key in order} | {"provenance": today | {"kept": kept}}
