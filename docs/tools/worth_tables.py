"""Tables of the page about what sparse networks are worth, which `kept_tables` puts there."""

from collections.abc import Iterable
from statistics import median
from typing import Any

from table_text import short, table

KEPT = "analyses/time_to_accuracy.json"
PAGE = "is-it-worth-it.md"
COSTS = {
    "training_s": "equal training time",
    "bytes": "equal bytes of parameters and optimizer",
    "bytes_with_indices": "the same with index arrays",
    "prediction_s": "a prediction in equal time",
}


def claims(kept: dict[str, Any]) -> str:
    """Verdicts, and at how many of the costs the sparse side is ahead, level and behind."""
    rows = []
    for name, part in kept["data"].items():
        for cost, words in COSTS.items():
            found = part["claims"][cost]
            counts = [str(len(found[side])) for side in ("ahead", "same", "behind")]
            rows.append((name, words, found["verdict"], *counts))
    return table(("data", "at", "verdict", "ahead", "level", "behind"), rows)


def matches(kept: dict[str, Any]) -> str:
    """How many times cheaper the cheapest sparse network as accurate as a dense one is."""
    rows = []
    for name, part in kept["data"].items():
        for width, found in part["matches"].items():
            own = f"{100 * max(found[cost]['accuracy'] for cost in COSTS):.1f}"
            rows.append((name, width, own, *(_times(found[cost]) for cost in COSTS)))
    heads = ("training", "bytes", "with indices", "prediction")
    return table(("data", "dense width", "accuracy (%)", *heads), rows)


def pays(kept: dict[str, Any]) -> str:
    """From which dense width on there always is a cheaper sparse network."""
    rows = [
        (name, *(str(part["pays_from"][c] or "-") for c in COSTS))
        for name, part in kept["data"].items()
    ]
    return table(("data", "training", "bytes", "with indices", "prediction"), rows)


def slow(kept: dict[str, Any]) -> str:
    """What of a sparse step takes long, in a sentence for each data set."""
    return "\n".join(_slow(name, part["steps"].items()) for name, part in kept["data"].items())


def _slow(name: str, steps: Iterable[tuple[str, dict[str, Any]]]) -> str:
    kinds: dict[str, list[dict[str, Any]]] = {"dense": [], "sparse": []}
    for network, found in steps:
        kinds[network.split()[0]].append(found)
    dense, sparse = (
        median(one["gradient_ms"] / one["forward_ms"] for one in some) for some in kinds.values()
    )
    share = median(one["neurons_ms"] / one["step_ms"] for one in kinds["sparse"])
    rates = [median(one["gflops"] for one in some) for some in kinds.values()]
    return (
        f"- {name}: a gradient takes {dense:.1f} times its forward pass in dense networks and "
        f"{sparse:.1f} times in sparse ones; without edges a sparse step would still take "
        f"{share:.0%} of its time; products run at {rates[0]:.0f} GFLOP/s in dense networks and "
        f"at {rates[1]:.0f} in sparse ones."
    )


def steps(kept: dict[str, Any]) -> str:
    """Times of steps and predictions."""
    fields = ("step_ms", "forward_ms", "gradient_ms", "neurons_ms", "gflops", "as_dense")
    rows = [
        (
            name,
            network,
            found["wiring"] or "",
            f"{found['parameters']:,}",
            *(_number(found[field]) for field in (*fields, "prediction_us", "compile_s")),
        )
        for name, part in kept["data"].items()
        for network, found in part["steps"].items()
    ]
    heads = ("step, ms", "forward", "gradient", "without edges", "GFLOP/s", "as dense of")
    more = ("prediction, µs", "compiling, s")
    return table(("data", "network", "wiring", "parameters", *heads, *more), rows)


def choices(kept: dict[str, Any]) -> str:
    """What was chosen, among which accuracies, and what that cost beside the training it is for."""
    rows = []
    for name, part in kept["data"].items():
        for row in part["networks"]:
            if row["choice"]:
                told = row["choice"]["accuracies"]
                seen = ", ".join(f"{kind} {100 * told[kind]:.1f}" for kind in sorted(told))
                longest = row["step_s"] * row["schedules"][-1]["steps"]
                seconds = (_number(row["choice"]["seconds"]), _number(longest))
                rows.append((name, str(row["hidden"]), row["wiring"], seen, *seconds))
    heads = ("hidden", "chosen", "validation accuracies (%)", "seconds", "longest training, s")
    return table(("data", *heads), rows)


def _times(match: dict[str, Any]) -> str:
    """How many times cheaper, and the accuracy of that network."""
    if match["times_cheaper"] is None:
        return "-"
    return f"{_number(match['times_cheaper'])} ({100 * match['sparse_accuracy']:.1f})"


def _number(value: float | None) -> str:
    """Three digits; a dash where there is none."""
    return "-" if value is None else short(value)


TABLES = {
    "claims": claims,
    "matches": matches,
    "pays": pays,
    "choices": choices,
    "slow": slow,
    "steps": steps,
}
