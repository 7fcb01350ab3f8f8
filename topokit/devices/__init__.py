"""Many devices: what is computed where, and what is sent.

Programs are those of `jax.shard_map` over a mesh that is checked before anything is compiled
(`_device_mesh`); what they send is read from the compiled program (`_collectives`).

Workers that share one training reduce their gradients (`_reductions`, `_ternary`) along one axis
(`_worker_axis`), by sums of which little is sent (`_sums`), packed to the bit (`_digits`).
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
