"""Many devices: what is computed where, and what is sent.

Programs are those of `jax.shard_map` over a mesh that is checked before anything is compiled
(`_device_mesh`); what they send is read from the compiled program (`_collectives`).

Workers that share one training reduce their gradients (`_reductions`, `_ternary`) along one axis
(`_worker_axis`), by sums of which little is sent (`_sums`), packed to the bit (`_digits`).

A cascade of sparse layers is placed on devices as pure functions (`_placement`): a Clos network on
a torus (`_clos_on_torus`), whose moves are a table (`_router_table`), dense layers on a ring
(`_dense_on_ring`), which send by the same steps (`_ring`), and a butterfly on a hypercube
(`_butterfly_on_hypercube`). What all of it costs on paper says `costs`.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
