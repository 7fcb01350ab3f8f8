"""A diagnosis in words: what the numbers behind the verdicts say, line by line."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from topokit._text_table import SHELL
from topokit.diagnosis._advice import layer_name, least, sentences
from topokit.diagnosis._bottleneck import Bottleneck
from topokit.diagnosis._criteria import Criterion
from topokit.diagnosis._fairness import EVEN, Fairness
from topokit.diagnosis._reach import Reach
from topokit.diagnosis._waste import Waste


def tell_criteria(criteria: Iterable[Criterion]) -> list[str]:
    """A line for each verdict, and one for what to change."""
    lines = []
    for number, criterion in enumerate(criteria, start=1):
        lines.append(f"{number}. {criterion.name}: {criterion.verdict} ({criterion.evidence}).")
        lines += [f"   {criterion.advice}"] * bool(criterion.advice)
    return lines


def tell_fairness(fairness: Fairness | None, reach: Reach, n_in: int) -> list[str]:
    """How much control there is, how even, and who has least of it."""
    lines = []
    if reach.unreached:
        lines.append(f"{reach.unreached:,} pairs of an input and an output have no path.")
    if fairness is None:
        return [*lines, "K is beyond the memory limit of topokit.controllability."]
    most = fairness.output_totals.size * (n_in - 1)
    lines.append(
        f"K sums to {fairness.total:,.4g} of at most {most:,}: mean {fairness.mean:.3g}, deviation "
        f"{fairness.deviation:.3g}, the wiring's own."
    )
    if fairness.plain_deviation is not None:
        lines.append(
            f"Plain descent ends at a deviation of {fairness.plain_deviation:.3g}: what exceeds "
            "the wiring's own is the solver's."
        )
    if fairness.deviation <= EVEN * fairness.mean:
        return lines
    lines.append(
        f"Of the variance, {fairness.from_reach:.0%} comes from pairs without a path, "
        f"{fairness.from_outputs:.0%} from outputs that get less than others, "
        f"{fairness.from_inputs:.0%} from inputs that crowd."
    )
    totals = (("input", fairness.input_totals), ("output", fairness.output_totals))
    lines += [
        sentences(least(kind, sums)) for kind, sums in totals if sums.std() > EVEN * sums.mean()
    ]
    among = fairness.total / (fairness.output_totals.size * n_in - reach.unreached)
    if fairness.worst[0].control >= (1 - EVEN) * among:
        return lines
    pairs = [f"{p.input} at {p.output} ({p.control:.3g})" for p in fairness.worst]
    return [*lines, f"Worst served of the pairs with a path, input at output: {', '.join(pairs)}."]


def tell_bottleneck(bottleneck: Bottleneck) -> list[str]:
    """How many signals pass, and where the others get stuck."""
    lines = [
        f"{bottleneck.bandwidth:,} of {bottleneck.needed:,} signals pass.",
        f"Neurons on a path, layer by layer: {_runs(bottleneck.neurons)}.",
    ]
    if bottleneck.bandwidth == bottleneck.needed:
        return lines
    held = groupby(layer for layer, _ in bottleneck.cut)
    places = [f"{len(list(run)):,} of {layer_name(layer)}" for layer, run in held]
    return [
        *lines,
        f"Signals that each layer of edges lets pass alone: {_runs(bottleneck.passing)}.",
        f"{bottleneck.bandwidth:,} neurons cut every path: {', '.join(places)}.",
    ]


def tell_waste(waste: Waste) -> list[str]:
    """How many weights are wasted, why, and in which layers."""
    trainable, dead = sum(waste.trainable), sum(waste.unused)
    rest = [f"{dead:,} lie on no path"] * bool(dead)
    if any(waste.scales):
        rest.append(
            f"{sum(waste.scales):,} only set the scale of a hidden neuron, which the weights "
            "behind it can set too"
        )
    if waste.total is None:
        head = f"At least {waste.known:,} of {trainable:,} trainable edges are wasted"
        return [
            f"{head}{': ' * bool(rest)}{' and '.join(rest)}.",
            "To count the rest would take more than a minute: topokit.degrees_of_freedom does, "
            "and topokit.scores.estimate_freedom estimates it.",
        ]
    if not waste.total:
        return [f"None of {trainable:,} trainable edges."]
    more = waste.total - waste.known
    rest += [f"{more:,} do what others do already"] * (more > 0)
    lines = [f"{waste.total:,} of {trainable:,} trainable edges: {', '.join(rest)}."]
    return lines + ["Their layers are beyond the memory limit."] * (waste.wasted is None)


def tell_layers(waste: Waste) -> list[dict[str, str]]:
    """A row for each layer, of what it wastes; none where nothing is wasted, or it is not known."""
    return [
        {
            "layer": f"{layer:,}",
            "trainable": f"{free:,}",
            "no path": f"{dead:,}",
            "wasted": f"{lost:,.1f}",
            "share": f"{lost / free:.0%}" if free else "-",
        }
        for layer, (free, dead, lost) in enumerate(
            zip(waste.trainable, waste.unused, waste.wasted or (), strict=False), start=1
        )
        if waste.total
    ]


def written(title: str, sections: Mapping[str, Sequence[str]]) -> str:
    """Lines under headings, wrapped."""
    parts = textwrap.wrap(title, SHELL)
    for heading, lines in sections.items():
        parts += ["", heading]
        for line in lines:
            parts += _wrapped(line)
    return "\n".join(parts)


def _wrapped(line: str) -> list[str]:
    """A line indented by two, folded if it is long; spaces within stay."""
    marker = re.match(r"\d\. | *", line)
    indent = " " * (2 + len(marker[0] if marker else ""))
    fold = textwrap.TextWrapper(
        SHELL, initial_indent="  ", subsequent_indent=indent, break_on_hyphens=False
    )
    return fold.wrap(line)


def _runs(counts: Sequence[int]) -> str:
    """Such as `32, 3 x 8, 32`."""
    runs = ((count, len(list(run))) for count, run in groupby(counts))
    return ", ".join(f"{n} x {count:,}" if n > 1 else f"{count:,}" for count, n in runs)
