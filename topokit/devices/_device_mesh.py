"""Devices as a mesh with named axes, checked before anything is compiled for it."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from topokit._checks import check_count
from topokit._records import brief
from topokit.devices._worker_axis import WORKERS


def make_mesh(devices: Sequence[Any] | None = None, **axes: int) -> Mesh:
    """Lay devices out along named axes, the last one running fastest.

    Args:
        devices: At least two different ones of one kind, such as `jax.devices()`, which is what
            None stands for.
        **axes: How many devices lie along each axis, by its name, such as `rows=2, columns=4`;
            their product is the number of devices. None given, all are workers, `workers=...`.

    Returns:
        A mesh for `jax.shard_map`.

    Raises:
        ValueError: If there are fewer than two devices, one of them twice, or several kinds; or the
            sizes of the axes do not multiply to their number.

    Examples:
        >>> from topokit import devices
        >>> devices.make_mesh([], workers=4)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: devices must be at least two, to share work; given 0. ...

    See Also:
        `traffic`, which counts what a program sends over it.
    """
    given = check_devices(jax.devices() if devices is None else devices)
    axes = axes or {WORKERS: len(given)}
    sizes = [check_count(name, size) for name, size in axes.items()]
    if prod(sizes) != len(given):
        said = " x ".join(f"{name}={size}" for name, size in axes.items())
        raise ValueError(
            f"the axes must have as many places as there are devices, {len(given)}; given {said}, "
            f"{prod(sizes)} places"
        )
    return Mesh(np.array(given).reshape(sizes), tuple(axes))


def check_devices(devices: Any) -> list[Any]:
    """Devices that can share work, as a list; or raise a ValueError."""
    if isinstance(devices, str) or not isinstance(devices, Sequence | np.ndarray):
        raise ValueError(
            f"devices must be a list of them, such as jax.devices(); given {brief(devices)}"
        )
    given = list(devices)
    strange = [device for device in given if not isinstance(device, jax.Device)]
    if strange:
        raise ValueError(
            f"devices must be devices of JAX, such as jax.devices(); given {brief(strange[0])}"
        )
    if len(given) < 2:
        raise ValueError(
            f"devices must be at least two, to share work; given {len(given)}. A CPU is several "
            'after jax.config.update("jax_num_cpu_devices", 4), before anything is computed'
        )
    if len(set(given)) < len(given):
        raise ValueError(f"each device must be given once; given {brief(given)}")
    kinds = sorted({f"{device.platform} ({device.device_kind})" for device in given})
    if len(kinds) > 1:
        raise ValueError(f"all devices must be of one kind; given {' and '.join(kinds)}")
    return given
