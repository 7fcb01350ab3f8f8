"""Dead parts taken out of a network: smaller arrays, the same function.

A channel that no input reaches by nonzero weights is a constant; one that reaches no output by
nonzero weights is not heard. Either kind is taken out, neuron or filter, of all arrays that touch
it; what a constant sends is added to the biases that it arrives at. One sweep forward finds all of
the first kind, for a channel whose senders are constants is one itself, and one sweep backward all
of the second; what the second takes out, none that stays has listened to. Then the kernels of
convolutions lose what no filter weighs.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from topokit._checks import check_real
from topokit.networks._channel_flow import Reader

PATCHES = 0.5


def shrink(
    model: eqx.nn.Sequential, state: eqx.nn.State | None = None, *, patches: float = PATCHES
) -> Any:
    """Take out every part that does nothing, such as `group_lasso` leaves behind.

    Neurons and filters go with all that touches them: rows and columns of the layers before and
    behind, biases, batch normalization with its running means, depthwise and grouped convolutions,
    shortcuts, flattened images; blocks whose body is a constant lose it. Inputs and outputs stay,
    hidden neurons inside of cascades count, and ranks of products. Outputs are the same for every
    input, up to the rounding of sums in another order. The result is a model like any other, which
    can be trained, exported and scored; optimizers begin anew on it.

    Edges of sparse layers whose weight is exactly 0 go; in a dense layer zeros go with their
    neurons alone, in a convolution also with the border of its kernel, and with the entries of a
    patch that no filter weighs, if they are many. An output that nothing reaches any more keeps one
    edge, of weight 0, for a topology reaches all its outputs. A layer without a bias gets one if
    constants arrive there. Constants other than 0 do not go from before a convolution that pads
    with zeros, to which they are none, nor through functions that make something else of them in
    larger images, such as sums over pixels. Groups of a convolution keep as many channels as the
    group that needs most. Blocks between whose layers other channels stay get `PickedChannels`.

    With batch normalization the model that is used stays the same, with its running means; in
    further training a filter of zeros would have put out the bias of its normalization.

    Args:
        model: Layers in an `equinox.nn.Sequential`, which may have others in it: dense and sparse
            layers and convolutions, whole or taken apart by `decompose`, `Residual` blocks of such,
            and between them what works on each channel by itself: functions, pools, flattening,
            `equinox.nn.BatchNorm` and `DepthwiseConv2d`. Before and after them may be other layers,
            which are kept.
        state: The state of a model that has one, from `equinox.nn.make_with_state` or `train`.
        patches: Share of the entries of a patch that no filter weighs from which a convolution
            becomes a `PatchConv2d` of the others; above 1 none does.

    Returns:
        The smaller model; with a state the model and its state. Cost O(weights).

    Raises:
        ValueError: If it is not known what a layer does to channels, a state is missing, or nothing
            of a layer is left, so that the outputs are constants.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> weight = model.layers[1].weight.at[:4].set(0.0)
        >>> dead = eqx.tree_at(lambda m: m.layers[1].weight, model, weight)
        >>> networks.kernels(networks.shrink(dead))
        {'layers.1': (64, 12), 'layers.3': (12, 10)}

    See Also:
        `group_lasso`, which makes parts dead; `kernel_topologies` and `to_topology`, what is left.
    """
    if not isinstance(model, eqx.nn.Sequential):
        raise ValueError(
            f"the model must be an equinox.nn.Sequential of layers; given a {type(model).__name__}"
        )
    patches = check_real("patches", patches, least=0, most=float("inf"))
    reader = Reader(model, state)
    steps, outputs = reader.read(model)
    outputs.keep[:] = True
    steps.forward(np.full(len(reader.inputs.keep), np.nan))
    steps.backward(np.ones(len(outputs.keep), bool))
    while steps.settle():
        pass
    for channels in reader.outer:
        if not channels.keep.any():
            raise ValueError(
                f"nothing that layer {channels.layer} of the model puts out is left: the outputs "
                "are constants; take a smaller penalty, or prune less"
            )
    small = steps.rebuilt(patches)
    return small if state is None else _with_state(small, state)


def _with_state(model: eqx.nn.Sequential, state: eqx.nn.State) -> tuple[Any, eqx.nn.State]:
    """The model with its state apart: the values that the state has, and new ones of the rest.

    What has become smaller is new to the state. Other layers may have the values that they began
    with still beside those of the state, which `equinox.nn.State` leaves in a model.
    """

    def filled(node: Any) -> Any:
        if not isinstance(node, eqx.nn.StateIndex):
            return node
        try:
            return eqx.nn.StateIndex(state.get(node))
        except KeyError:
            return node

    whole = jax.tree.map(filled, model, is_leaf=lambda node: isinstance(node, eqx.nn.StateIndex))
    return eqx.nn.make_with_state(lambda: whole)()
