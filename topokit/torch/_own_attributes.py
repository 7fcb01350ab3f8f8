"""What others have put on a dense layer, and would be lost where a topology takes its place."""

from typing import Any

from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn.utils import prune  # pyright: ignore[reportMissingImports]

Dense = nn.Linear | nn.Conv2d
PARTS = {"weight", "bias"}
PRUNED = {f"{name}_{part}" for name in PARTS for part in ("orig", "mask")}


def own_attributes(name: str, dense: Dense, new: nn.Module) -> dict[str, Any]:
    """What others have put on a layer and its successor can carry; the rest is refused."""
    usual = {*vars(type(dense)(1, 1, **_kernel(dense))), *PARTS, "_compiled_call_impl"}
    own = {key: value for key, value in vars(dense).items() if key not in usual}
    held = {*dict(dense.named_parameters()), *dict(dense.named_buffers()), *dense._modules}
    lost = [*_hooks(dense), *sorted(held - PARTS - PRUNED), *(k for k in own if hasattr(new, k))]
    if lost:
        raise ValueError(
            f"layer {name!r} has {', '.join(lost)} of its own, which a topology in its place would "
            "lose: remove them first, or name the layers to replace without it"
        )
    return own


def _kernel(dense: Dense) -> dict[str, Any]:
    return {"device": "meta"} | ({"kernel_size": 1} if isinstance(dense, nn.Conv2d) else {})


def _hooks(dense: Dense) -> list[str]:
    """Kinds of hooks of a layer, apart from those that compute its pruned weights."""
    kinds = {key: hooks for key, hooks in vars(dense).items() if "_hooks" in key and hooks}
    return [
        key.strip("_")
        for key, hooks in kinds.items()
        if not all(isinstance(hook, prune.BasePruningMethod) for hook in hooks.values())
    ]
