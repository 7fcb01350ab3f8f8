"""The four criteria of a good topology (NeuroFabric, section VII.E), one by one.

Each verdict comes with the number it rests on and with what to change. Where the number depends
on a choice, the choice is a constant below.
"""

from topokit._records import Record
from topokit.diagnosis._advice import make_fairer, make_wider, sentences
from topokit.diagnosis._bottleneck import Bottleneck
from topokit.diagnosis._fairness import EVEN, Fairness
from topokit.diagnosis._reach import Reach
from topokit.diagnosis._skips import Skips

MET, PARTLY, MISSED, OPEN = "met", "in part", "not met", "open"

# Half met is what gives the worst pair at least half of the mean, or lets half of the signals pass.
# Two dense layers through fewer than half of `n` neurons are smaller than one dense layer: a wiring
# narrower than that pays with rank, as a low-rank layer does.
HALF = 0.5

# What a designer can turn to grow a member of a family without making it deeper.
WIDENED_BY = {
    "dense": "n_in and n_out",
    "low_rank": "rank",
    "block_diagonal": "fewer blocks",
    "diagonals": "bands or width",
    "parallel_butterfly": "copies",
    "rectangular_butterfly": "larger radices",
    "monarch": "rank or blocks",
    "clos": "middle_routers",
    "radix_net": "widths",
    "erdos_renyi": "density or widths",
    "random_regular": "fan_in or widths",
    "small_world": "neighbours",
    "parallel": "further parts",
}
# The families that at a given width grow by depth alone.
DEEPENED = ("butterfly", "hypercube", "torus", "cascade")


class Criterion(Record):
    """One verdict.

    Attributes:
        name: What is asked for.
        verdict: `"met"`, `"in part"`, `"not met"`, or `"open"` where one graph cannot tell.
        number: What it rests on; None where that is unknown.
        evidence: The number in words.
        advice: What to change; empty where nothing needs to be.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.butterfly(8, 6))
        >>> found.criteria[0].name, found.criteria[0].verdict
        ('skip connections', 'not met')
    """

    name: str
    verdict: str
    number: float | None
    evidence: str
    advice: str


def skip_criterion(skips: Skips, reach: Reach) -> Criterion:
    """Criterion 1: all neurons that mix have one constant in-edge; the number is their share."""
    share = skips.fixed / skips.mixing if skips.mixing else 1.0
    spare = skips.mixing - skips.fixed - skips.several
    evidence = f"{skips.fixed:,} of {skips.mixing:,} neurons that mix have one constant in-edge"
    changes = []
    if spare:
        changes.append(
            f"topokit.with_skip makes one in-edge a constant 1 at {spare:,} neurons, which frees "
            "as many weights. Spend them again on a deeper or wider member of the family: with "
            "fewer weights it may rebuild less than now, with as many it usually rebuilds more. "
            "Hidden neurons keep their scale by the weights behind them; topokit.with_diagonal "
            "gives outputs theirs"
        )
    if skips.several:
        evidence += f"; {skips.several:,} have several"
        changes.append(
            "leave each neuron one constant, for each beyond the first takes a ratio away"
        )
    if reach.frozen:
        evidence += f"; constants alone set {reach.frozen:,} entries of the matrix"
        changes.append("move some constants, or add a layer, to free the entries that they set")
    verdict = MET if share == 1 else PARTLY if skips.fixed + skips.several else MISSED
    return Criterion("skip connections", verdict, share, evidence, sentences(*changes))


def fairness_criterion(
    fairness: Fairness | None, reach: Reach, shape: tuple[int, int]
) -> Criterion:
    """Criterion 2: K has no variance; the number is its deviation over its mean."""
    name, (n_in, n_out) = "a K without variance", shape
    if fairness is None:
        return Criterion(
            name,
            OPEN,
            None,
            "K is beyond the memory limit of topokit.controllability",
            "topokit.scores.control_bound gives what its loss cannot go below.",
        )
    if n_in == 1:
        return Criterion(name, MET, 0.0, "one input: there are no ratios to control", "")
    if not fairness.mean:
        advice = "Give some neurons two in-edges or more, one at least trainable."
        return Criterion(name, MISSED, None, "K is 0 everywhere: no weight sets a ratio", advice)
    unevenness, poorest = fairness.deviation / fairness.mean, fairness.worst[0]
    even = unevenness <= EVEN
    evidence = f"deviation {fairness.deviation:.3g} at a mean of {fairness.mean:.3g}"
    if reach.unreached:
        evidence += f"; {reach.unreached:,} of {n_in * n_out:,} pairs have no path"
    elif not even:
        share = f"{poorest.control / fairness.mean:.0%} of the mean"
        evidence += f"; input {poorest.input} has {share} at output {poorest.output}"
    served = not reach.unreached and poorest.control >= HALF * fairness.mean
    verdict = MET if even else PARTLY if served else MISSED
    advice = "" if even else make_fairer(fairness, reach)
    return Criterion(name, verdict, unevenness, evidence, advice)


def depth_criterion(depth: int, reach: Reach, family: str) -> Criterion:
    """Criterion 3: the depth does not grow with the parameters; the number is the depth."""
    seen = reach.complete_after
    evidence = f"{depth:,} {'layer' if depth == 1 else 'layers'}; " + (
        "not all pairs have a path" if seen is None else f"reach is complete after {seen:,}"
    )
    if family in WIDENED_BY:
        evidence += f"; the family {family} grows by {WIDENED_BY[family]} at equal depth"
        return Criterion("constant depth", MET, depth, evidence, "")
    if family not in DEEPENED:
        return Criterion(
            "constant depth",
            OPEN,
            depth,
            f"{evidence}; how depth grows is a matter of a family, not of one graph",
            "To grow, put copies side by side (topokit.parallel) rather than end to end.",
        )
    needless = seen is not None and depth > seen
    if seen is None:
        advice = "Add layers until all pairs have a path, then grow"
    else:
        advice = f"Keep {seen:,} layers and grow"
    copies = "parallel_butterfly does" if family == "butterfly" else "topokit.parallel does"
    return Criterion(
        "constant depth",
        MISSED if needless else PARTLY,
        depth,
        f"{evidence}; the family {family} grows by depth alone",
        f"{advice} by copies side by side, as {copies}.",
    )


def bandwidth_criterion(bottleneck: Bottleneck) -> Criterion:
    """Criterion 4: every signal passes; the number is bandwidth over `min(n_in, n_out)`."""
    share = bottleneck.bandwidth / bottleneck.needed
    verdict = MET if share == 1 else PARTLY if share >= HALF else MISSED
    evidence = f"{bottleneck.bandwidth:,} of {bottleneck.needed:,} signals pass"
    advice = "" if share == 1 else make_wider(bottleneck)
    return Criterion("bandwidth", verdict, share, evidence, advice)
