"""Zeros in the weights while training: small weights become them, and they stay."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from topokit._checks import check_real
from topokit.networks._prune import is_kernel

PUBLISHED = 1e-4


def zero_below(threshold: float = PUBLISHED) -> optax.GradientTransformation:
    """Set to 0 each number that an update leaves below a threshold; the last part of a chain.

    Structured sparsity learning does so after every step, with the threshold that is the default
    (Wen and others, 2016, in their code). A gradient may bring the number back. Wrap it in
    `optax.masked` for some arrays alone.

    Raises:
        ValueError: If the threshold is below 0, or at an update without `params`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -2e-5], [3e-4, 0.0]])}
        >>> change = networks.zero_below()
        >>> still = {"kernel": jnp.zeros((2, 2))}
        >>> updates, _ = change.update(still, change.init(weights), weights)
        >>> (weights["kernel"] + updates["kernel"]).astype(bool).tolist()
        [[True, False], [True, False]]

    See Also:
        `group_lasso_gradient`, which needs it; `keep_zeros`, for the time afterwards.
    """
    threshold = check_real("threshold", threshold, least=0, most=jnp.inf)
    return _elementwise("zero_below", lambda u, p: jnp.where(abs(p + u) < threshold, -p, u))


def keep_zeros() -> optax.GradientTransformation:
    """Leave weights at 0 that are 0, and train the others; the last part of a chain.

    Matrices and convolution kernels alone (`is_kernel`), because biases begin at 0. It is the last
    third of structured sparsity learning, without the penalty.

    Raises:
        ValueError: At an update without `params`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, 0.0]]), "bias": jnp.zeros(2)}
        >>> change = networks.keep_zeros()
        >>> steps = {"kernel": jnp.ones((1, 2)), "bias": jnp.ones(2)}
        >>> updates, _ = change.update(steps, change.init(weights), weights)
        >>> updates["kernel"].tolist(), updates["bias"].tolist()
        ([[1.0, 0.0]], [1.0, 1.0])

    See Also:
        `zero_below`; `prune`, which remembers what it pruned.
    """
    return _elementwise(
        "keep_zeros", lambda u, p: jnp.where(p == 0, jnp.zeros_like(u), u) if is_kernel(p) else u
    )


def _elementwise(name: str, change: Any) -> optax.GradientTransformation:
    def update(updates: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        if params is None:
            raise ValueError(
                f"{name} needs the weights: give params to update(updates, state, params)"
            )
        return jax.tree.map(change, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)  # noqa: ARG005
