"""The Graph Challenge on a device: which way of inference is fastest, and its rates by size.

Time runs from packed images in the memory of the host to the numbers of those that are left; the
layers are on the device before. The first run, which compiles, does not count.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from analyses._published_rates import CHAMPION, PAPER
from analyses._published_rates import SIZES as PAPER_SIZES
from analyses.benchmarks._challenge_inputs import UNSTABLE, enlarged, official
from analyses.benchmarks._device_layers import said
from analyses.benchmarks._layer_cases import has_torch
from analyses.benchmarks._resident_inference import Setting, by_device
from analyses.kit import changed, timed
from topokit.challenge import ChallengeNetwork, Images, by_classes, by_edges, infer

# To try other batches and chunks than those that are taken, constants of private modules change.
from topokit.challenge import _inference  # isort: skip

if has_torch:
    from analyses.benchmarks._torch_inference import by_matrices
else:
    by_matrices = None

REPETITIONS, SHORT, LONG = 3, 2.0, 10.0
LARGER = {"CACHED": 2**22, "MOST": 2**14}
FORMS = {"edges": by_edges, "classes": by_classes}

Run = Callable[[Images], np.ndarray]


@cache
def images_of(neurons: int, given: int, distinct: int) -> tuple[str, Images]:
    """As many images as are given, of which some repeat."""
    source, images = enlarged(neurons, distinct)
    bits = np.resize(images.bits, (given, images.bits.shape[1]))
    return source, images._replace(bits=bits)


def measure_ways(
    network: ChallengeNetwork, images: Images, settings: Sequence[Setting]
) -> dict[str, Any]:
    """All ways on one size, each with what it leaves against the first one's."""
    rows, first = {}, None
    for name, make in ways(network, settings).items():
        try:
            row, left = clocked(make(), network, images)
        except Exception as error:
            rows[name] = {"left_out": said(error)}
            continue
        first = left if first is None else first
        rows[name] = row | {"left": left.size, "apart": np.setxor1d(first, left).size}
    return rows


def ways(network: ChallengeNetwork, settings: Sequence[Setting]) -> dict[str, Callable[[], Run]]:
    """By name how to set each up."""
    found: dict[str, Callable[[], Run]] = {}
    for form, rule in FORMS.items():
        for setting in settings:
            found[called(form, setting)] = partial(by_device, network, rule, setting)
        found[f"infer, {form}"] = partial(inferring, rule, network, {})
        found[f"infer, {form}, larger batches"] = partial(inferring, rule, network, LARGER)
    if by_matrices is not None:
        found["torch CSR"] = partial(by_matrices, network, dense=False)
        found["torch dense"] = partial(by_matrices, network, dense=True)
    return found


def called(form: str, setting: Setting) -> str:
    """The name of a way that stays on the device."""
    return "resident, {}, {} numbers, {} slots".format(form, *setting)


def inferring(rule: Callable, network: ChallengeNetwork, constants: dict[str, int]) -> Run:
    """`topokit.challenge.infer` under other constants."""

    def run(images: Images) -> np.ndarray:
        with changed(_inference, constants):
            return infer(network, images, form=rule).categories

    return run


def clocked(run: Run, network: ChallengeNetwork, images: Images) -> tuple[dict, np.ndarray]:
    """Median seconds and rate, and what is left; of long runs the first one counts."""
    first_s, left = timed(lambda: run(images))
    spent = [first_s if first_s > LONG else timed(lambda: run(images))[0]]
    while len(spent) < REPETITIONS and spent[-1] < SHORT:
        spent.append(timed(lambda: run(images))[0])
    seconds = float(np.median(spent))
    rate = len(images.bits) * network.connections / seconds
    return {"seconds": seconds, "runs": len(spent), "first_s": first_s, "rate": rate}, left


def measure_size(
    network: ChallengeNetwork, images: Images, form: str, setting: Setting
) -> dict[str, Any]:
    """One of the sizes, beside published rates."""
    row, left = clocked(by_device(network, FORMS[form], setting), network, images)
    return row | {"left": left.size} | setting._asdict() | published(network.neurons, network.depth)


def fastest(form: str, settings: Sequence[Setting], ways: dict[str, Any]) -> Setting:
    """That of the shortest run of a form; the first one where none is known."""
    rows = {setting: ways.get(called(form, setting), {}) for setting in settings}
    known = {setting: row["seconds"] for setting, row in rows.items() if "seconds" in row}
    return min(known, key=known.__getitem__, default=settings[0])


def published(neurons: int, depth: int) -> dict[str, float]:
    """Rates of others at this size, where there are any."""
    size = neurons, depth
    found = {"A100, champion of 2020": CHAMPION[size]} if size in CHAMPION else {}
    if size in PAPER_SIZES:
        place = PAPER_SIZES.index(size)
        found |= {name: rates[place] for name, (rates, _) in PAPER.items()}
    return found


def measure_official(setting_of: Callable[[str], Setting]) -> dict[str, Any]:
    """The challenge's own network against the truth; nothing where its files are not there."""
    problem = official()
    if problem is None or problem.truth is None:
        return {"left_out": "the official files are not there: name their folder with --data"}
    rows = {}
    for form, rule in FORMS.items():
        run = by_device(problem.network, rule, setting_of(form))
        row, left = clocked(run, problem.network, problem.images)
        apart = np.setdiff1d(np.setxor1d(left, problem.truth), UNSTABLE)
        rows[form] = row | {"left": left.size, "apart from the truth": apart.size}
    return rows
