"""Which kind of device computes: constants measured on a CPU are wrong for a GPU, and back."""

import jax


def on_cpu() -> bool:
    """Whether arrays lie on a CPU by default: asked where a layer is made or traced, not before."""
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if device is None:
        return jax.default_backend() == "cpu"
    return (device if isinstance(device, str) else device.platform) == "cpu"
