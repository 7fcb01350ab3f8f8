"""A linear map through a topology as a PyTorch module, in the place of `torch.nn.Linear`."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from topokit._checks import check_init, check_instance
from topokit.layers import Layers, check_constants, to_layers
from topokit.networks import kaiming
from topokit.torch._index_arrays import IndexArrays
from topokit.torch._layer_forms import choose_form

Radii = list[Float[np.ndarray, " _edges"]]


class SparseLayer(IndexArrays):
    """One layer of edges, without a bias.

    Its state dict has the weights and the sender and receiver of each, by the names that
    `topokit.networks.write_weights` gives them. A state dict of another wiring is refused, and so
    is one without senders and receivers, unless by `strict=False`, which takes it at its word.

    Attributes:
        weight: Weights of the trainable edges, by receiver and then by sender: the only parameters.
        form: From the weights of all edges and the senders' rows to the receivers'.

    Examples:
        >>> import topokit as tk
        >>> linear = tk.torch.SparseLinear(tk.topologies.butterfly(8))
        >>> len(linear.layers), tuple(linear.layers[0].weight.shape)
        (3, (16,))

    See Also:
        `SparseLinear`, which is made of them.
    """

    constant: Tensor
    trainable: Tensor

    def __init__(
        self,
        topology: Layers,
        number: int,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Take layer `number` of a recipe; its weights are not set yet."""
        super().__init__()
        self._topology, self._number = topology, number
        free = topology.trainable[number]
        self.weight = nn.Parameter(torch.empty(int(free.sum()), device=device, dtype=dtype))
        self.form = choose_form(topology, number)
        self._all_free = bool(free.all())
        if not self._all_free:
            wide = np.float64 if self.weight.dtype == torch.float64 else np.float32
            check_constants(topology, wide)
            constant = topology.constant[number].astype(wide)
            self.keep(constant=constant, trainable=np.flatnonzero(free))
        self.follow(self.weight.device)

    @property
    def senders(self) -> Int[Tensor, " trainable"]:
        """The sender of each weight."""
        return self._of_weights(self._topology.senders)

    @property
    def receivers(self) -> Int[Tensor, " trainable"]:
        """The receiver of each weight."""
        return self._of_weights(self._topology.receivers)

    def weights(self) -> Float[Tensor, " edges"]:
        """The weights of all edges, constant ones included."""
        if self._all_free:
            return self.weight
        constant = self.constant.to(self.weight.dtype)
        return constant.index_copy(0, self.trainable, self.weight)

    def forward(self, rows: Float[Tensor, "n_in columns"]) -> Float[Tensor, "n_out columns"]:
        """The receivers' rows from the senders', in the type of these."""
        self.follow(rows.device)
        return self.form(self.weights().to(rows.dtype), rows)

    def _of_weights(self, ends: tuple[np.ndarray, ...]) -> Tensor:
        free = self._topology.trainable[self._number]
        return torch.tensor(ends[self._number][free].astype(np.int32), device="cpu")

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for end in ("senders", "receivers"):
            destination[prefix + end] = getattr(self, end)

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for end in ("senders", "receivers"):
            given, own = state_dict.pop(prefix + end, None), getattr(self, end)
            if given is None and strict:
                missing_keys.append(prefix + end)
            elif given is not None and not torch.equal(torch.as_tensor(given).to(own), own):
                error_msgs.append(
                    f"{prefix}{end} are of another wiring than the model's: make the model from "
                    "the topology whose weights these are"
                )
        rest = local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self.follow(self.weight.device)  # which comes with the state where that is assigned


class SparseLinear(nn.Module):
    """`x -> x W + b` with `W` the product of the sparse layers of a topology.

    It takes the place of `torch.nn.Linear`: signals are `(..., n_in)`. Inside a cascade everything
    is linear; the network's activation comes after it. Parameters, gradients and the optimizer's
    state are of the size of the trainable edges; the gradient of a weight is summed over examples
    before it is stored. Cost O(edges) an example, forward and backward.

    Names of the state dict are `layers.0.weight`, `layers.0.senders`, `layers.0.receivers`, those
    of the other layers, and `bias`.

    Attributes:
        topology: The recipe.
        layers: The sparse layers, inputs first.
        bias: Added to the outputs; None if there is none.

    Examples:
        >>> import torch
        >>> import topokit as tk
        >>> layer = tk.torch.SparseLinear(tk.topologies.clos(16, 8, 4, 2, 4))
        >>> layer
        SparseLinear(16 -> 8, 80 edges in 3 layers, 80 trainable, bias=True)
        >>> layer(torch.ones(5, 16)).shape
        torch.Size([5, 8])
        >>> sum(p.numel() for p in layer.parameters())
        88

    See Also:
        `SparsePointwiseConv2d`, for images; `sparsify`, for whole models; `to_dense`, out of it.
    """

    layers: Any  # a list of `SparseLayer`, as modules keep it
    bias: nn.Parameter | None

    def __init__(
        self,
        topology: nx.DiGraph | Layers,
        *,
        bias: bool = True,
        init: Callable[[Layers], Radii] = kaiming,
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Draw the first weights.

        Args:
            topology: A graph or a recipe, of any depth, square or not.
            bias: Whether there is a bias, which starts at 0.
            init: Radii of the uniform distributions from which the weights are drawn, such as
                `topokit.networks.xavier`, or `topokit.networks.kaiming` for a layer with a ReLU
                behind it.
            generator: Where the draws come from; PyTorch's own, which `torch.manual_seed` sets, if
                None.
            device: Where weights and bias are; PyTorch's default if None.
            dtype: Their type; PyTorch's default, single precision, if None.

        Raises:
            ValueError: If the topology is not valid (see `topokit.to_layers`), or the type is not
                one of real numbers.
        """
        super().__init__()
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"dtype must be one of floating point; given {dtype}")
        check_init(init)
        self.topology, self._init = to_layers(topology), init
        layers = range(self.topology.depth)
        kind = {"device": device, "dtype": dtype}
        self.layers = nn.ModuleList(SparseLayer(self.topology, n, **kind) for n in layers)
        bias_or_none = nn.Parameter(torch.empty(self.out_features, **kind)) if bias else None
        self.register_parameter("bias", bias_or_none)
        self.reset_parameters(generator)

    @property
    def in_features(self) -> int:
        """Number of inputs."""
        return self.topology.n_in

    @property
    def out_features(self) -> int:
        """Number of outputs."""
        return self.topology.n_out

    @property
    def weight(self) -> Float[Tensor, "n_out n_in"]:
        """The weight of the dense layer that computes the same: no parameter, but made of them.

        Cost O(n_in edges).
        """
        first = self.layers[0].weight
        rows = torch.eye(self.in_features, device=first.device, dtype=first.dtype)
        return self._through(rows)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw first weights again; the bias starts at 0."""
        rows = zip(self.layers, self._init(self.topology), self.topology.trainable, strict=True)
        for layer, radii, free in rows:
            layer.weight.uniform_(-1.0, 1.0, generator=generator)
            layer.weight.mul_(torch.tensor(radii[free], device="cpu").to(layer.weight))
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Float[Tensor, "*batch n_out"]:
        """Send signals `(..., n_in)` through."""
        check_instance("signals", x, Tensor, "a torch.Tensor")
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"signals of this layer have {self.in_features} features along their last axis; "
                f"given shape {tuple(x.shape)}"
            )
        rows = self.rows(x.reshape(-1, self.in_features).T)
        return rows.T.contiguous().reshape(*x.shape[:-1], self.out_features)

    def rows(self, x: Shaped[Tensor, "n_in columns"]) -> Float[Tensor, "n_out columns"]:
        """Send signals through whose features come first, as inside; no width is checked."""
        x = self._through(x.to(self._dtype_for(x)))
        return x if self.bias is None else x + self.bias.to(x.dtype)[:, None]

    def extra_repr(self) -> str:
        """What is inside, in a line."""
        recipe = self.topology
        return (
            f"{recipe.n_in} -> {recipe.n_out}, {recipe.n_edges:,} edges in {recipe.depth} "
            f"layer{'s' * (recipe.depth > 1)}, {recipe.n_trainable:,} trainable, "
            f"bias={self.bias is not None}"
        )

    def __repr__(self) -> str:
        return f"SparseLinear({self.extra_repr()})"

    def _through(self, rows: Tensor) -> Tensor:
        for layer in self.layers:
            rows = layer(rows)
        return rows

    def _dtype_for(self, x: Tensor) -> torch.dtype:
        """The type to compute in: the weights', which the signals must have, or autocast's."""
        weight = self.layers[0].weight
        if x.device != weight.device:
            raise ValueError(
                f"signals are on {x.device}, the weights on {weight.device}: move either, as by "
                "x.to(device) or model.to(device)"
            )
        if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
            return torch.get_autocast_dtype(x.device.type)
        if x.dtype != weight.dtype:
            raise ValueError(
                f"signals are of {x.dtype}, the weights of {weight.dtype}: convert either, as by "
                f"x.to({weight.dtype}), or compute under torch.autocast"
            )
        return x.dtype
