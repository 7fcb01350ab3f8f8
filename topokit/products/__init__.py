"""Sparse products: the end-to-end matrix of a topology, its error and gradient, initial weights."""

from topokit.products._contract import apply_layer as apply_layer
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
from topokit.products._looped import sum_rows as sum_rows
from topokit.products._wiring import Wiring as Wiring
from topokit.products._wiring import edge_ends as edge_ends
