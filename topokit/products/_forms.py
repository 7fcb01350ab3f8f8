"""Which form a layer of a product takes: measured thresholds, and a switch for who knows better."""

from collections.abc import Callable

from topokit.products._blocks import Blocks, make_blocks, make_dense
from topokit.products._column_plan import Step
from topokit.products._gather import Gather, make_gather

Form = Gather | Blocks

FormRule = Callable[[Step, int], Form]
"""A function of a step of the plan and the batch size."""

# Measured on one core of a CPU (analyses/benchmarks/forms.py). A batch at the end of the arrays
# makes gathered rows faster and dense products slower.
BLOCK_ENTRIES = {False: 64, True: 256}
DENSE_FAN_IN = 20
DENSE_DENSITY = {False: 0.12, True: 0.0}


def fastest_form(step: Step, batch: int) -> Form:
    """What was fastest where it was measured, on a CPU."""
    batched = batch > 1
    if step.parts > 1:
        return make_gather(step)
    blocks = make_blocks(step)
    if blocks is not None and blocks.edges[0].size >= BLOCK_ENTRIES[batched]:
        return blocks
    fan_in = step.edges.size / step.n_receivers
    if fan_in >= DENSE_FAN_IN and fan_in >= DENSE_DENSITY[batched] * step.n_senders:
        return make_dense(step)
    return make_gather(step)


def gather_form(step: Step, batch: int) -> Form:
    """Sums of gathered rows, always."""
    del batch
    return make_gather(step)


def block_form(step: Step, batch: int) -> Form:
    """Dense blocks wherever a layer falls into equal ones, else gathered rows."""
    return make_blocks(step) or gather_form(step, batch)


def dense_form(step: Step, batch: int) -> Form:
    """A masked dense matrix wherever rows are not yet short, else gathered rows."""
    return make_dense(step) if step.parts == 1 else gather_form(step, batch)
