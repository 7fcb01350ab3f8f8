"""What decides a result: each difference is told, in every process, or refused."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from solvers import Idle, Nameless

import topokit as tk
from topokit.ranking._content_keys import content_of, describe
from topokit.reconstruction import Adam


def test_the_content_of_a_topology_tells_every_change():
    base = tk.topologies.butterfly(4)
    fewer, constant, other = base.copy(), base.copy(), base.copy()
    fewer.remove_edge((0, 0), (1, 0))
    constant.edges[(0, 0), (1, 0)]["trainable"] = False
    other.edges[(0, 0), (1, 0)].update(trainable=False, weight=2.0)
    graphs = (base, fewer, constant, other, tk.topologies.butterfly(4, 3), base)
    assert len({content_of(tk.to_layers(graph)) for graph in graphs}) == 5


def test_settings_are_told_apart_in_every_process():
    values = [Adam(), Adam(3), Adam(3, 0.1), Idle(3), jnp.square, jnp.abs, np.ones(3), np.eye(3)]
    values += [None, True, 1, 1.0, "1", (1, 2), [1, [2]], {"a": 1}, np.float32(1), Idle, len]
    texts = [describe("x", value) for value in values]
    assert len(set(texts)) == len(values)
    code = "import jax.numpy as jnp; from topokit.ranking._content_keys import describe;"
    code += "from topokit.reconstruction import Adam;"
    code += "print(describe('x', Adam()), describe('x', jnp.square), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{texts[0]}\n{texts[4]}\n"


@pytest.mark.parametrize("value", [Nameless(1), lambda x: x, np.array([object()]), object()])
def test_settings_that_cannot_be_told_apart_are_refused(value):
    with pytest.raises(ValueError, match=r"cannot be told|cannot tell"):
        describe("solver", value)
