"""Results: frozen, short in a shell, a table in a notebook, and each field explained once."""

import importlib
import pickle
import pkgutil
import re
from base64 import b64decode
from dataclasses import FrozenInstanceError, fields
from html.parser import HTMLParser
from inspect import get_annotations
from io import BytesIO
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import optax
import pandas as pd
import pytest
from matplotlib.image import imread

import topokit as tk
from topokit._docstrings import entries
from topokit._extras import EXTRAS
from topokit._html import SIDE, heat_map
from topokit._matrix_blocks import extreme_blocks
from topokit._records import LONGEST, Record, brief
from topokit._text_table import cells
from topokit.designs import nearest
from topokit.devices import costs

for module in pkgutil.walk_packages(tk.__path__, "topokit."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of a framework that is not installed here
            if error.name not in EXTRAS:
                raise

NAME = "<script>alert(1)</script>"
GRAPH = tk.with_skip(tk.topologies.clos(6, 4, 3, 2, 2))
GRAPH.graph["name"] = GRAPH.graph["family"] = NAME
SOLVER = tk.reconstruction.Adam(max_steps=3)


def descendants(kind: type) -> set[type]:
    return {kind}.union(*map(descendants, kind.__subclasses__()))


# Whose model is whatever was trained, and of which no pickle is taken.
WITH_MODELS = {tk.networks.Training, tk.networks.ShortTraining}

KINDS = sorted(descendants(Record) - {Record}, key=lambda kind: kind.__name__)


def tiny_data() -> tk.networks.Dataset:
    x, y = np.zeros((6, 3), np.float32), np.arange(6) % 2
    return tk.networks.make_dataset(x, y, x, y, name="a b")


TINY: dict[str, Any] = {
    "model": tk.networks.mlp((3,), [4], 2, key=jax.random.key(0)),
    "optimizer": optax.adam(1e-3),
}


def trained() -> tk.networks.Training:
    return tk.networks.train(**TINY, data=tiny_data(), epochs=6, batch_size=3)


def chosen_model() -> tk.networks.Choice:
    models = {NAME: TINY["model"], "other": TINY["model"]}
    return tk.networks.choose(models, tiny_data(), keep=1, budget=4, seeds=2, batch_size=3)


@pytest.fixture(scope="module")
def samples() -> dict[type, Record]:
    """One record of each kind, as its function makes it."""
    options = {"targets": 2, "solver": SOLVER}
    targets = np.random.default_rng(0).standard_normal((2, 6, 4))
    found = tk.diagnose(GRAPH)
    assert found.fairness is not None
    network = tk.challenge.plain_network(64, 2)
    training = trained()
    chosen = chosen_model()
    small = tk.networks.mlp((8,), [2], 2, key=jax.random.key(0))
    rows = tk.rank({NAME: GRAPH}, **options)
    results = list(tk.ranking.sweep({NAME: GRAPH}, **options))
    made = [
        tk.ranking.Maps(np.zeros((6, 4)), None, np.ones((6, 4))),
        *[tiny_data(), training, training.test, training.epochs[0]],
        *[chosen, chosen.contenders[0], chosen.rungs[0]],
        tk.networks.train_steps(**TINY, data=tiny_data(), steps=1, batch_size=3),
        *[*rows, tk.ranking.agreement(rows), nearest("low_rank", 6, 4, 20)],
        *[*results, *tk.ranking.mean_losses(results)],
        *[found, found.skips, found.reach, found.fairness, found.fairness.worst[0]],
        *[found.bottleneck, found.waste, found.criteria[0]],
        *[tk.score(GRAPH), tk.structure(GRAPH), tk.controllability(GRAPH)],
        *[tk.scores.match_constraints(GRAPH), tk.scores.rivals(GRAPH)],
        *[tk.scores.estimate_freedom(GRAPH), tk.scores.estimate_leverage(GRAPH)],
        *[tk.scores.Label(NAME, NAME, True), tk.scores.Size(6, 4, 3, 20, 10)],
        tk.ranking.MeanLoss(NAME, NAME, True, 0.5, None, 1, 3),
        *[tk.design(6, 4, trainable=20, depth=1, trials=0, measure=False)[0]],
        *[tk.products.StepTime(0.1, 0.2)],
        tk.networks.LayerSpeed(32, 0.5, 0.1, 0.2, 0.3, 0.4, 8, None),
        tk.networks.DecomposedSpeed(NAME, (3,), 2.5, 32, 0.1, 0.2, 0.3, 0.4),
        tk.networks.DeadGroups(NAME, "filters", 3, 32),
        tk.networks.kernel_regression(small, np.eye(8), np.arange(8) % 2),
        tk.networks.batch_scores(small, np.eye(8)),
        tk.reconstruct(GRAPH, targets, solver=SOLVER),
        tk.reconstruction.satisfy(GRAPH, targets, solver=SOLVER, restarts=1),
        tk.challenge.infer(network, tk.challenge.pack_images(np.ones((3, 64)))),
        *tk.devices.traffic("ENTRY %f () -> s8[] {\n  %a = s8[] all-reduce()\n}"),
        *[tk.devices.router_table(2, 2)[0], tk.devices.Heading("east", 2, 64)],
        *[costs.Link(1e-6, 1e9), costs.all_gather([4], 8), costs.Work(1, 2, 3)],
        *costs.cut_by_rows(costs.Convolution(1, 4, 4, 1, (3, 3)), 1),
        costs.ElementBounds(2, "memory", 3.5, 2.5, 8.0),
    ]
    return {type(record): record for record in made}


class Strict(HTMLParser):
    """Every tag that is opened is closed, and there are no scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        assert tag != "script"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def texts_of(html: str) -> list[str]:
    parser = Strict()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.texts


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_is_frozen_short_and_survives_pickle(kind, samples):
    record = samples[kind]
    with pytest.raises(FrozenInstanceError):
        setattr(record, fields(kind)[0].name, 0)
    said = repr(record)
    assert said.startswith(f"{kind.__name__}({fields(kind)[0].name}=")
    assert len(said) <= LONGEST + len(kind.__name__) + 2
    assert "\n" not in said
    assert "array(" not in said
    if kind not in WITH_MODELS:
        assert pickle.loads(pickle.dumps(record)) == record


def arrays_in(value: object) -> list[np.ndarray]:
    if isinstance(value, tuple):
        return [array for item in value for array in arrays_in(item)]
    return [value] if isinstance(value, np.ndarray) else []


def test_arrays_of_records_are_not_to_be_written_to_also_those_that_pickle_brings(samples):
    found = set()
    for kind, record in samples.items():
        kept = {} if kind in WITH_MODELS else pickle.loads(pickle.dumps(record))._asdict()
        for array in arrays_in((*record._asdict().values(), *kept.values())):
            assert not array.flags.writeable, kind.__name__
            found.add(kind)
    assert {tk.scores.Controllability, tk.ranking.Maps, tk.reconstruction.Reconstruction} <= found


def test_the_array_of_which_a_record_is_made_stays_its_owners():
    K = np.zeros((6, 4))
    maps = tk.ranking.Maps(K, None, K)
    K[0, 0] = 1
    assert maps.control is not None
    assert maps.control[0, 0] == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_notebook_shows_it_as_html_in_which_no_name_is_a_tag(kind, samples):
    texts = texts_of(samples[kind]._repr_html_())
    assert len(texts) >= len(get_annotations(kind))
    if "name" in samples[kind]._asdict() and issubclass(kind, tk.scores.Label):
        assert any(NAME in text for text in texts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_field_is_explained_once_where_it_stands(kind):
    own, *inherited = ({*get_annotations(parent)} for parent in kind.__mro__)
    assert own.isdisjoint(set().union(*inherited))
    assert "Attributes:" in (kind.__doc__ or "") or not own
    assert set(entries(kind, "Attributes")) == {field.name for field in fields(kind)}


def test_records_differ_where_a_field_differs(samples):
    for kind, record in samples.items():
        values = record._asdict()
        for name, value in values.items():
            other = value[:-1] if isinstance(value, np.ndarray | tuple) else object.__new__(Odd)
            if not (isinstance(value, np.ndarray | tuple) and not len(value)):
                changed = object.__new__(kind)
                vars(changed).update(values | {name: other})
                assert changed != record, f"{kind.__name__}.{name}"


class Odd:
    """Equal to nothing."""


def test_equal_plain_records_are_one_in_a_set(samples):
    row = samples[tk.ranking.Row]
    assert len({row, pickle.loads(pickle.dumps(row)), samples[tk.scores.Size]}) == 2


def test_tables_begin_with_the_name_and_hold_what_the_parents_hold(samples):
    row, result = samples[tk.ranking.Row], samples[tk.ranking.Result]
    columns = list(pd.DataFrame([row]).columns)
    assert columns[:7] == ["name", "family", "skip", "loss", "loss_error", "targets", "steps"]
    assert columns[7:] == list(samples[tk.scores.Score]._asdict())
    assert columns[7:22] == list(samples[tk.scores.Structure]._asdict())
    assert list(pd.DataFrame([result]).columns)[:5] == ["name", "family", "skip", "n_in", "n_out"]
    assert next(iter(samples[tk.diagnosis.Diagnosis]._asdict())) == "name"


def test_a_row_shows_its_losses_and_its_scores_in_one_line(samples):
    said = repr(samples[tk.ranking.Row])
    assert "..., " in said
    assert all(f" {name}=" in said for name in ("loss", "loss_error", "predicted_loss"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((3, 4), np.float32), "float32[3,4]"),
        (np.float64(1 / 3), "0.3333"),
        (np.int64(7), "7"),
        (np.bool_(True), "True"),
        (1 / 3, "0.3333"),
        (2**60, "~2^60"),
        (-(2**53) + 1, "-9007199254740991"),
        (True, "True"),
        (None, "None"),
        ((1, 2), "(1, 2)"),
        (tuple(range(9)), "(0, 1, 2, 3, ... 9 in all)"),
        ((np.zeros(2), np.zeros(3)), "(float64[2], float64[3])"),
        ("a" * 99, "'" + "a" * 35 + "...'"),
        ("a\nb", r"'a\nb'"),
    ],
    ids=str,
)
def test_values_are_brief(value, said):
    assert brief(value) == said


def pictures_of(html: str) -> list[np.ndarray]:
    """The pictures within, as red, green and blue in [0, 1]."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [imread(BytesIO(b64decode(data)), format="png")[..., :3] for data in found]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 37)])
def test_a_map_is_a_picture_of_the_entries_with_its_scale(shape):
    K = 1 + 2 * np.random.default_rng(0).random(shape)
    K[-1, -1], K[0, 0] = 1, 3
    html = heat_map(K, "K")
    picture, scale = pictures_of(html)
    viridis = mpl.colormaps["viridis"]
    least = 0 if K.size == 1 else 1  # a matrix without spread is seen beside 0
    np.testing.assert_allclose(picture, viridis((K - least) / (3 - least))[..., :3], atol=0.04)
    np.testing.assert_allclose(scale[:, 0], viridis(np.linspace(1, 0, 256))[:, :3], atol=0.04)
    assert texts_of(html)[:2] == ["3", str(least)]
    assert f"K, {shape[0]} inputs (down) x {shape[1]} outputs (across)" in texts_of(html)[2]


@pytest.mark.parametrize(("value", "ends"), [(0.0, ["1", "0"]), (0.25, ["0.25", "0"])])
def test_noise_is_no_pattern(value, ends):
    K = value * (1 + 1e-7 * np.random.default_rng(0).random((5, 5)))
    html = heat_map(K, "K")
    assert texts_of(html)[:2] == ends
    assert len(np.unique(pictures_of(html)[0])) <= 3


@pytest.mark.parametrize("n", [SIDE + 1, 700, 2048])
@pytest.mark.parametrize("odd", [0.0, 1.0])
def test_in_a_large_map_an_odd_row_column_or_entry_stays_to_be_seen(n, odd):
    for place in range(0, n, n // 7):
        for where in np.s_[place, :], np.s_[:, place], np.s_[place, n - 1 - place]:
            K = np.full((n, n), 0.5)
            K[where] = odd
            shown = extreme_blocks(K, SIDE)
            assert shown.shape == (SIDE, SIDE)
            size = {1: 1, n: SIDE}[K[where].size]
            assert (shown == odd).sum() == size


def test_maps_are_pictures_as_far_as_there_are_such(samples):
    html = samples[tk.ranking.Maps]._repr_html_()
    assert len(pictures_of(html)) == 4  # each with its scale
    told = [text for text in texts_of(html) if " inputs (down) x " in text]
    assert [text.split()[0] for text in told] == ["control", "leverage"]


def test_a_large_map_says_that_it_shows_blocks():
    html = heat_map(np.eye(SIDE + 1), "K")
    assert f"in {SIDE} x {SIDE} blocks" in texts_of(html)[2]
    assert len(html) < 2**16


def test_a_printed_record_has_every_field_with_its_meaning_within_80_columns(samples):
    for kind, record in samples.items():
        lines = str(record).splitlines()
        assert max(map(cells, lines)) <= 80
        if kind not in {tk.diagnosis.Diagnosis, tk.networks.Choice}:
            begun = {line.split(" ")[0] for line in lines}
            assert begun >= {field.name for field in fields(kind)}


def test_a_named_tuple_of_arrays_is_as_short_as_a_record():
    images = tk.challenge.pack_images(np.ones((3, 64)))
    assert repr(images) == "Images(bits=uint8[3,8], neurons=64)"
