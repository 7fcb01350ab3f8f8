"""One problem over several devices: the same descent as on one, and clear errors."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import topokit as tk

TOPOLOGIES = {
    "torus": "tk.topologies.torus((4, 4), 3)",
    "deep butterfly": "tk.topologies.butterfly(16, 6)",
    "skip clos": "tk.with_skip(tk.topologies.clos(16, 16, 4, 3, 4))",
}

SCRIPT = """
import json, sys
import jax, numpy as np
import topokit as tk
from topokit.reconstruction import Adam

assert len(jax.devices()) == 4
targets = np.random.default_rng(0).normal(size=(2, 16, 16))
found = {}
for name, text in json.loads(sys.argv[1]).items():
    runs = [
        tk.reconstruct(eval(text), targets, solver=Adam(max_steps=10), devices=devices)
        for devices in (None, jax.devices(), jax.devices()[:2])
    ]
    found[name] = [[r.loss.tolist(), [w.tolist() for w in r.weights]] for r in runs]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs() -> dict[str, list]:
    """Losses and weights on one, four and two devices, from a process that has four."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(TOPOLOGIES)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_devices_change_neither_losses_nor_weights(runs, name):
    (loss, weights), *others = runs[name]
    for other_loss, other_weights in others:
        assert np.allclose(loss, other_loss, rtol=1e-5, atol=0)
        for one, two in zip(weights, other_weights, strict=True):
            assert np.allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 3])
def test_devices_that_do_not_divide_the_inputs_are_refused(count):
    with pytest.raises(ValueError, match=f"must divide the 8 inputs; given {count}"):
        tk.reconstruct(tk.topologies.butterfly(8), np.eye(8), devices=[object()] * count)
