"""A pointwise convolution through a topology, in the place of a 1 x 1 `torch.nn.Conv2d`."""

from jaxtyping import Float
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from topokit._checks import check_instance
from topokit.torch._sparse_modules import SparseLinear


class SparsePointwiseConv2d(nn.Module):
    """Every pixel of an image goes through one sparse linear map of its channels.

    Attributes:
        linear: The map.
        stride: Of so many rows, and of so many columns, one is taken.

    Examples:
        >>> import torch
        >>> import topokit as tk
        >>> linear = tk.torch.SparseLinear(tk.topologies.low_rank(8, 6, 2))
        >>> layer = tk.torch.SparsePointwiseConv2d(linear, stride=(2, 2))
        >>> layer(torch.ones(5, 8, 4, 4)).shape
        torch.Size([5, 6, 2, 2])

    See Also:
        `sparsify`, which puts it into a model.
    """

    def __init__(self, linear: SparseLinear, *, stride: tuple[int, int] = (1, 1)) -> None:
        """Take a map of channels."""
        super().__init__()
        self.linear, self.stride = linear, stride

    @property
    def in_channels(self) -> int:
        """Number of channels of the inputs."""
        return self.linear.in_features

    @property
    def out_channels(self) -> int:
        """Number of channels of the outputs."""
        return self.linear.out_features

    @property
    def weight(self) -> Float[Tensor, "n_out n_in 1 1"]:
        """The weight of the dense convolution that computes the same, as in `SparseLinear`."""
        return self.linear.weight[..., None, None]

    @property
    def bias(self) -> nn.Parameter | None:
        """The bias of the map; None if there is none."""
        return self.linear.bias

    def forward(self, x: Tensor) -> Float[Tensor, "*batch n_out height width"]:
        """Convolve images `(..., n_in, height, width)`."""
        check_instance("images", x, Tensor, "a torch.Tensor")
        if x.ndim < 3 or x.shape[-3] != self.linear.in_features:
            raise ValueError(
                f"images of this layer are (..., {self.linear.in_features}, height, width); given "
                f"shape {tuple(x.shape)}"
            )
        down, right = self.stride
        pixels = x[..., ::down, ::right].movedim(-3, 0)
        rows = self.linear.rows(pixels.reshape(pixels.shape[0], -1))
        return rows.reshape(-1, *pixels.shape[1:]).movedim(0, -3).contiguous()

    def extra_repr(self) -> str:
        """The stride, where there is one."""
        return "" if self.stride == (1, 1) else f"stride={self.stride}"
