"""Forms that are measured here, and what a layer costs beside the dense one."""

import jax
import numpy as np
import pytest

import topokit as tk
from topokit.networks import LayerSpeed, SparseLinear, speed
from topokit.networks._speed import BATCHES, _least_batch
from topokit.products import _forms, make_wiring

KEY = jax.random.key(0)
LAYERS = {
    "blocks": tk.topologies.clos.layers(8, 8, 4, 2, 4),
    "lists": tk.topologies.random_regular.layers([12, 9], 4, seed=0),
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_whatever_form_is_fastest_computes_the_same(layers, monkeypatch):
    x = jax.random.normal(KEY, (layers.n_in, 3))
    usual = SparseLinear(layers, key=KEY)
    step = _forms.layer_step(layers, 0)
    forms = list(_forms._candidates(step))
    assert len(forms) >= 3
    for chosen in range(len(forms)):
        times = np.arange(len(forms)) != chosen  # as if this one took no time
        monkeypatch.setattr(_forms, "in_turn", lambda steps, t=times: list(t[: len(steps)] * 1.0))
        _forms._fastest_here.cache_clear()
        first = make_wiring(layers, 0, batch=3)
        assert type(first) is type(_forms._candidates(step)[forms[chosen]]())
        auto = SparseLinear(layers, key=KEY, form="auto", batch=3)
        np.testing.assert_allclose(auto(x), usual(x), rtol=1e-4, atol=1e-5)


def test_a_layer_is_measured_once_in_a_process(monkeypatch):
    asked = []
    monkeypatch.setattr(_forms, "in_turn", lambda steps: asked.append(len(steps)) or [1.0] * 9)
    _forms._fastest_here.cache_clear()
    layers = LAYERS["lists"]
    for batch in (3, 3, 4):
        SparseLinear(layers, key=KEY, form="auto", batch=batch)
    assert len(asked) == 2
    _forms._fastest_here.cache_clear()


def test_the_speed_of_a_layer_is_in_seconds_of_its_batch():
    found = speed(SparseLinear(LAYERS["blocks"], key=KEY), batch=3)
    assert isinstance(found, LayerSpeed)
    assert found.batch == 3
    assert found.density == LAYERS["blocks"].n_edges / 64
    assert min(found.forward, found.dense_forward, found.training, found.dense_training) > 0
    assert found.forward_gain == found.dense_forward / found.forward
    assert found.pays_below == found.density * found.dense_training / found.training
    assert {found.forward_from, found.training_from} <= {None, 3, *BATCHES}


def test_a_layer_pays_from_the_batch_on_above_which_it_always_does():
    faster, slower = [1.0, 2.0], [2.0, 1.0]
    for first in range(len(BATCHES)):
        pairs = {b: faster if i >= first else slower for i, b in enumerate(BATCHES)}
        assert _least_batch(pairs) == BATCHES[first]
    assert _least_batch(dict.fromkeys(BATCHES, slower)) is None
    assert _least_batch(dict(zip(BATCHES, [faster, slower, faster, slower], strict=True))) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"form": "fast"}, "form must be 'usual' or 'auto'; given 'fast'"),
        ({"form": "auto", "batch": 0}, "batch must be"),
    ],
)
def test_wrong_forms_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        SparseLinear(LAYERS["lists"], key=KEY, **options)
