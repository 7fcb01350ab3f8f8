"""The Clos network: three stages of crossbar routers."""

from topokit._checks import check_count
from topokit.layers import Layers
from topokit.topologies._edge_algebra import complete, identity, kron, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


@family
def clos(
    n_in: int, n_out: int, input_routers: int, middle_routers: int, output_routers: int
) -> Layers:
    """Three stages of routers, each a small dense layer (Isakov and Kinsy, ClosNets, 2018).

    With `I = n_in`, `O = n_out` and `Ri, Rm, Ro` routers a stage, the masks are the Kronecker
    products

        eye(Ri) x ones(I / Ri, Rm),   ones(Ri, Ro) x eye(Rm),   eye(Ro) x ones(Rm, O / Ro):

    an input router joins its inputs to a wire for each middle router, a middle router joins its
    wire from each input router to its wire to each output router. Hidden neurons are numbered by
    input router in the first hidden layer, by output router in the second.

    | invariant | value |
    | --- | --- |
    | widths | `I, Ri Rm, Ro Rm, O` |
    | edges | `Rm (I + O + Ri Ro)`, equation (1) |
    | in-degrees | `I / Ri`, `Ri`, `Rm` |
    | out-degrees | `Rm`, `Ro`, `O / Ro` |
    | paths of each input-output pair | `Rm`, equation (1): one through each middle router |
    | bandwidth | `min(I, Ri Rm, Ro Rm, O)` |
    | depth | 3 |

    Args:
        n_in: Number of inputs `I`.
        n_out: Number of outputs `O`.
        input_routers: `Ri`, a divisor of `n_in`.
        middle_routers: `Rm`, the path diversity.
        output_routers: `Ro`, a divisor of `n_out`.

    Raises:
        ValueError: If the routers of an outer stage cannot share its neurons equally.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.clos(16, 16, input_routers=4, middle_routers=3, output_routers=4)
        >>> tk.to_layers(graph).widths
        (16, 12, 12, 16)
        >>> graph.number_of_edges()
        144
        >>> int(tk.scores.path_counts(graph).min())
        3

    See Also:
        `low_rank`, which does without routers.
    """
    inputs = _share("n_in", n_in, "input_routers", input_routers)
    outputs = _share("n_out", n_out, "output_routers", output_routers)
    wires = check_count("middle_routers", middle_routers)
    check_size(
        neurons=n_in + (input_routers + output_routers) * wires + n_out,
        edges=(n_in + input_routers * output_routers + n_out) * wires,
        parts=3,
    )
    stages = [
        kron(identity(input_routers), complete(inputs, wires), (inputs, wires)),
        kron(complete(input_routers, output_routers), identity(wires), (wires, wires)),
        kron(identity(output_routers), complete(wires, outputs), (wires, outputs)),
    ]
    return stack([n_in, input_routers * wires, output_routers * wires, n_out], stages)


def _share(name: str, width: int, routers_name: str, routers: int) -> int:
    """Neurons of each router."""
    if check_count(name, width) % check_count(routers_name, routers):
        raise ValueError(
            f"{routers_name} must divide {name}={width}, so that the routers are equal; "
            f"given {routers}"
        )
    return width // routers
