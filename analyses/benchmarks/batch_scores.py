"""What scores of an untrained network on a batch cost: seconds, memory, and how they grow.

Lenet-300-100 for images of 28 x 28, dense and with sparse layers at a tenth of the connections, a
process each: seconds of the processor for a kernel regression on so many examples (drawn: the cost
does not depend on what they show), compilation included, and the peak memory of the process; and
for all scores together. Then with random sparse layers, again and without what is compiled: how
seconds grow with examples, classes and edges, as exponents; where one of them is small, what does
not depend on it shows.

Claim: 1,000 examples of Lenet-300-100 with sparse layers take at most 20 s of one core.

Writes `batch_scores.json` beside this script; `--quick` takes few examples and writes nothing.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.kit import Study, apart, busy, exponent, nested, peak_bytes
from topokit import networks

SHAPE, SHARE, EXAMPLES, CLASSES = (1, 28, 28), 0.1, 1000, 10
RULES = {
    "Clos": networks.clos_with,
    "low rank": networks.low_rank_with,
    "random": networks.random_with,
}
GROWTH = {"examples": (500, 1000, 2000), "classes": (5, 10, 20), "share": (0.05, 0.1, 0.2)}
LIMIT = 20.0


class Case(NamedTuple):
    """A score of a network, or a number that grows and its value."""

    part: str
    which: str
    value: Any


def cases() -> list[Case]:
    """Whole networks first, then what grows."""
    whole = [Case("whole", score, name) for score in ("regression", "scores") for name in RULES]
    grown = [Case("growth", name, value) for name, values in GROWTH.items() for value in values]
    return [*whole, Case("whole", "regression", "dense"), *grown]


def build(name: str, share: float, n_classes: int) -> Any:
    """Lenet-300-100, sparse or not."""
    key = jax.random.key(0)
    model = networks.lenet_300_100(SHAPE, n_classes, key=key)
    return model if name == "dense" else networks.sparsify(model, RULES[name](share), key=key)


def measure(case: Case) -> dict[str, float] | None:
    """Each in a process of its own, which compiles anew unless JAX keeps programs."""
    return apart(measure_alone, case, EXAMPLES)


def measure_alone(case: Case, examples: int) -> dict[str, float]:
    """Seconds and peak memory of this process; of what grows, seconds when all is compiled."""
    settings = {"examples": examples, "share": SHARE, "classes": CLASSES}
    grows = case.part == "growth"
    settings |= {case.which: case.value} if grows else {}
    n, share, n_classes = settings.values()
    model = build("random" if grows else case.value, share, n_classes)
    x = np.random.default_rng(0).standard_normal((n, *SHAPE), np.float32)
    score = networks.batch_scores if case.which == "scores" else networks.kernel_regression
    call = partial(score, model, x, np.arange(n) % n_classes)
    if grows:
        call()
    seconds, _ = busy(call)
    return {
        "weights": networks.n_parameters(model),
        "seconds": seconds,
        "peak_gib": peak_bytes() / 2**30,
    }


def summarize(found: dict[Case, dict[str, float]]) -> dict[str, Any]:
    """By part, with the exponents of growth and whether the claim holds."""
    results = nested(found)
    exponents = {
        name: exponent(values, [found[Case("growth", name, v)]["seconds"] for v in values])
        for name, values in GROWTH.items()
    }
    slowest = max(results["whole"]["regression"][name]["seconds"] for name in RULES)
    return results | {"exponents": exponents, "slowest": slowest, "claim": slowest <= LIMIT}


STUDY = Study(
    __name__,
    quick={"EXAMPLES": 40, "GROWTH": {"examples": (20, 40)}, "RULES": {"random": RULES["random"]}},
    alone=True,
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
