"""Sparse products: a layer on signals, and the end-to-end matrix of a topology with its error.

A `Step` is one layer's edges. `_forms` says which form it takes: complete blocks or one matrix with
zeros (`_blocks`), or sums of gathered rows over the same `_slot_tables`, unrolled for the rows of a
product (`_product_kernel`), in loops for signals (`_signal_kernel`). Every form is a `Wiring`
(`_wiring`), a pytree of index arrays with three partial sums: ahead, back, and one number an edge.
`_differentiable_layer` makes of them one primitive that can be differentiated and mapped. From
there two ways lead on:

- signals: `make_wiring`, then `apply_layer`;
- products: `compile_product` (`_end_to_end`) strings steps together whose rows have only the
  columns that can differ from zero (`_column_plan`); `total_error` (`_error`) compares with a goal.
"""

from topokit.products._differentiable_layer import apply_layer as apply_layer
from topokit.products._end_to_end import Product as Product
from topokit.products._end_to_end import compile_product as compile_product
from topokit.products._end_to_end import multiply as multiply
from topokit.products._error import Cost as Cost
from topokit.products._error import arrange_goal as arrange_goal
from topokit.products._error import total_error as total_error
from topokit.products._forms import FormRule as FormRule
from topokit.products._forms import block_form as block_form
from topokit.products._forms import dense_form as dense_form
from topokit.products._forms import fastest_form as fastest_form
from topokit.products._forms import gather_form as gather_form
from topokit.products._forms import make_wiring as make_wiring
from topokit.products._signal_kernel import sum_rows as sum_rows
from topokit.products._step_time import StepTime as StepTime
from topokit.products._step_time import step_time as step_time
from topokit.products._timed_steps import in_turn as in_turn
from topokit.products._wiring import Wiring as Wiring
from topokit.products._wiring import edge_ends as edge_ends


def __dir__() -> list[str]:
    return [name for name in globals() if name[0] != "_"]
