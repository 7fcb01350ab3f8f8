"""PyTorch's default device: a GPU if there is one, its memory, and how precisely it multiplies."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch  # pyright: ignore[reportMissingImports]


def use_gpu() -> None:
    """From now on tensors are made on the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.set_default_device("cuda")


def free_memory() -> None:
    """Give back to others what no tensor holds."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def described() -> dict[str, str]:
    """Version and default device."""
    return {"torch": torch.__version__, "torch on": str(torch.get_default_device())}


@contextmanager
def precision(*, rough: bool) -> Iterator[None]:
    """How matrices of single precision are multiplied: as by itself, or as JAX does by default."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if rough else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
