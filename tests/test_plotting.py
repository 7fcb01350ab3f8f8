"""Facts about the pictures: what is drawn, on what scale, and that nothing else happens."""

from inspect import unwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import topokit as tk

mpl.use("agg")


@pytest.fixture(autouse=True)
def _every_test_starts_and_ends_without_figures():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def skip_butterfly():
    """Two layers of 4 neurons whose straight edges are constant."""
    masks = [np.array([[i == j or i == j ^ s for j in range(4)] for i in range(4)]) for s in (1, 2)]
    return tk.from_masks(masks, trainable=[~np.eye(4, dtype=bool)] * 2)


def row(name, *, loss, **changes):
    fields = {"trainable": 64, "family": "clos", "skip": False, "predicted_loss": None}
    return SimpleNamespace(
        **{"name": name, "loss": loss, "loss_error": 0.1 * loss, **fields, **changes}
    )


def collections_of(ax) -> Any:
    """Lines and points; matplotlib's stubs know them only as artists."""
    return ax.collections


def K_of_two_values():
    return np.array([[0.5, 1.5], [0.5, 1.5], [0.5, 1.5]])


MAPS = SimpleNamespace(control=np.full((3, 2), 0.5), descent=None, leverage=K_of_two_values() / 2)


# Every function, on the axes it is given


EVERY = {
    "control": lambda ax: tk.plotting.plot_control(np.ones((3, 2)), ax),
    "topology": lambda ax: tk.plotting.plot_topology(tk.from_masks([np.ones((3, 2))]), ax),
    "losses": lambda ax: tk.plotting.plot_losses({"a": np.ones(5)}, ax),
    "ranking": lambda ax: tk.plotting.plot_ranking([row("a", loss=0.5)], ax),
    "parameters": lambda ax: tk.plotting.plot_parameters([row("a", loss=0.5)], ax),
    "leverage": lambda ax: tk.plotting.plot_leverage(np.ones((3, 2)), ax),
    "maps": lambda ax: tk.plotting.plot_maps({"a": MAPS}, ax and [ax] * 3)[0, 0],
    "controls": lambda ax: tk.plotting.plot_controls({"a": np.ones((3, 2))}, ax and [ax])[0],
    "masks": lambda ax: tk.plotting.plot_masks(tk.from_masks([np.ones((3, 2))]), ax and [ax])[0],
}


@pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY)
def test_a_picture_goes_on_the_axes_given_and_nowhere_else(draw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dict(plt.rcParams)
    ax = plt.subplots()[1]
    assert draw(ax) is ax
    assert plt.get_fignums() == [1]
    assert dict(plt.rcParams) == before
    assert not list(Path().iterdir())


@pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY)
def test_without_axes_a_picture_makes_one_figure_that_can_be_rendered(draw):
    ax = draw(None)
    assert isinstance(ax, Axes)
    assert plt.get_fignums() == [1]
    ax.figure.canvas.draw()


def test_a_figure_is_saved_whole_and_closed(tmp_path):
    axes = tk.plotting.plot_controls({"a": np.ones((3, 2)), "b": np.ones((2, 2))})
    tk.plotting.save_figure(axes, tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert not plt.get_fignums()


def test_a_figure_that_cannot_be_saved_is_closed_and_leaves_no_file(tmp_path):
    ax = tk.plotting.plot_control(np.ones((3, 2)))
    with pytest.raises(ValueError, match="nonsense"):
        tk.plotting.save_figure(ax, tmp_path / "picture.nonsense")
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()


# Matrices


def test_the_title_of_a_heatmap_tells_sum_mean_and_deviation():
    ax = tk.plotting.plot_control(K_of_two_values(), title="my net")
    assert ax.get_title() == "my net\nsum 6.0, mean 1.000\ndeviation 0.5"


def test_a_heatmap_shows_inputs_down_and_outputs_across():
    K = np.arange(6.0).reshape(3, 2)
    ax = tk.plotting.plot_control(K)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("input", "output")
    assert np.array_equal(np.asarray(ax.images[0].get_array()), K)
    assert ax.get_ylim() == (2.5, -0.5)


@pytest.mark.parametrize(
    ("K", "options", "limits"),
    [
        (np.array([[0.3, 0.6]]), {}, (0.0, 1.0)),
        (np.array([[0.0, 1.5]]), {}, (0.0, 1.5)),
        (np.full((2, 2), 0.3), {"vmin": 0.0}, (0.0, 1.0)),
        (np.array([[-0.5, 0.5]]), {}, (-0.5, 1.0)),
        (np.array([[0.0, 1.5]]), {"vmin": 0.25, "vmax": 2.0}, (0.25, 2.0)),
    ],
)
def test_the_scale_of_a_heatmap_holds_zero_and_one_unless_told_otherwise(K, options, limits):
    assert tk.plotting.plot_control(K, **options).images[0].get_clim() == limits


@pytest.mark.parametrize("size", [1.0, 40.0])
@pytest.mark.parametrize(
    ("spread", "reach"), [(0.2, 0.1), (0.025, 0.016), (1.7e-4, 1e-3), (0.0, 1e-3)]
)
def test_where_all_is_nearly_even_colors_are_deviations_on_a_symmetric_scale(spread, reach, size):
    K = size * np.array([[0.75 - spread / 2, 0.75], [0.75, 0.75 + spread / 2]])
    K /= K.max() if size > 1 else 1
    K *= size
    ax = tk.plotting.plot_control(K)
    low, high = ax.images[0].get_clim()
    assert np.mean([low, high]) == pytest.approx(K.mean())
    assert low <= K.min() <= K.max() <= high
    assert ax.images[0].cmap.name == "RdBu_r"
    assert np.array_equal(np.asarray(ax.images[0].get_array()), K)
    if size == 1:
        assert (high - low) / 2 == pytest.approx(reach)
        assert ax.images[0].colorbar is not None
        bar = ax.images[0].colorbar.ax
        assert [label.get_text() for label in bar.get_yticklabels()][::2] == [
            f"-{reach:.2g}",
            "0",
            f"+{reach:.2g}",
        ]
        assert bar.get_ylabel().endswith("less their mean, 0.75")


def test_values_that_differ_by_more_are_values():
    ax = tk.plotting.plot_control(np.array([[0.5, 0.76]]))
    assert (ax.images[0].cmap.name, ax.images[0].get_clim()) == ("viridis", (0, 1))


def test_the_title_of_a_leverage_map_tells_degrees_of_freedom_and_predicted_loss():
    ax = tk.plotting.plot_leverage(np.full((40, 30), 0.9), predicted_loss=0.0123, title="net")
    assert ax.get_title() == "net\ndegrees of freedom 1,080 of 1,200\npredicted loss 0.012"


def test_three_maps_of_a_topology_stand_in_a_row_each_on_its_own_scale():
    other = SimpleNamespace(control=2 * np.eye(4), descent=3 * np.eye(4), leverage=np.eye(4) / 2)
    axes = tk.plotting.plot_maps({"one": MAPS, "$x^$": other})
    assert axes.shape == (2, 3)
    assert not axes[0, 0].images
    assert [text.get_text() for text in axes[0, 0].texts] == ["none:\ntoo large"]
    assert [ax.images[0].get_clim()[1] for ax in axes[1]] == [3.0, 2.0, 0.5]
    titles = [ax.get_title().splitlines()[0] for ax in axes[1]]
    assert titles == ["the paper's K, ratios", "canonical K, ratios", "leverage H, shares"]
    assert axes[0, 1].get_title() == "canonical K less its mean\nmean 0.5, deviation 0"
    assert {text.get_text() for text in axes[0, 0].figure.texts} == {"one", r"\$x^\$"}
    axes[0, 0].figure.canvas.draw()


def test_long_names_of_maps_fit_their_columns_and_stay_different():
    ends = "begin " + "W" * 60 + "{}" + "M" * 60 + " end"
    names = [ends.format(0), ends.format(1), "%" * 99, "W" * 99, "short", "a " * 40]
    axes = tk.plotting.plot_maps(dict.fromkeys(names, MAPS))
    figure = axes[0, 0].figure
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert len({text.get_text() for text in figure.texts}) == len(names)
    for at, box in enumerate(boxes):
        edge = figure.bbox.width / (2 if at % 2 == 0 else 1)
        assert box.x1 <= edge


def test_many_heatmaps_share_one_scale_and_one_color_bar():
    axes = tk.plotting.plot_controls({f"K{i}": np.full((2, 3), i / 2) for i in range(5)})
    images = [ax.images[0] for ax in axes]
    assert axes.shape == (5,)
    assert {image.norm for image in images} == {images[0].norm}
    assert images[0].get_clim() == (0.0, 2.0)
    assert len(axes[0].figure.axes) == 5 + 1
    assert [ax.get_title().splitlines()[0] for ax in axes] == [f"K{i}" for i in range(5)]


def test_a_few_great_entries_do_not_darken_the_heatmaps_of_the_others():
    K = np.ones((20, 20))
    K[0, 0] = 50.0
    axes = tk.plotting.plot_controls({"fair": np.ones((20, 20)), "unfair": K})
    assert axes[0].images[0].get_clim() == (0.0, 1.0)
    assert axes[0].images[0].colorbar.extend == "max"


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (18, (3, 6))])
def test_panels_fill_a_grid(count, shape):
    axes = tk.plotting.plot_controls({str(i): np.ones((2, 2)) for i in range(count)})
    assert axes[0].get_gridspec().get_geometry() == shape


def test_masks_give_constant_edges_a_color_of_their_own(skip_butterfly):
    axes = tk.plotting.plot_masks(skip_butterfly)
    assert len(axes) == 2
    for ax, stride in zip(axes, (1, 2), strict=True):
        kinds = np.array([[2 * (i == j) + (i == j ^ stride) for j in range(4)] for i in range(4)])
        assert np.array_equal(ax.images[0].get_array(), kinds)
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["trainable", "constant"]


# Drawings


def test_every_edge_is_one_line_and_constant_edges_are_dotted(skip_butterfly):
    ax = tk.plotting.plot_topology(skip_butterfly)
    trainable, constant, *neurons = collections_of(ax)
    assert (len(trainable.get_segments()), len(constant.get_segments())) == (8, 8)
    assert {dashes for _, dashes in trainable.get_linestyle()} == {None}
    assert None not in {dashes and tuple(dashes) for _, dashes in constant.get_linestyle()}
    assert [len(column.get_offsets()) for column in neurons] == [4, 4, 4]


def test_lines_join_the_neurons_they_stand_for():
    mask = np.array([[1, 0], [0, 1], [0, 1]])
    ax = tk.plotting.plot_topology(tk.from_masks([mask]))
    lines, senders, receivers = collections_of(ax)
    x, y = np.asarray(senders.get_offsets()), np.asarray(receivers.get_offsets())
    drawn = {tuple(map(tuple, segment)) for segment in lines.get_segments()}
    assert drawn == {(tuple(x[i]), tuple(y[j])) for i, j in zip(*np.nonzero(mask), strict=True)}


def test_inputs_stand_at_the_left_with_the_first_on_top():
    senders = tk.plotting.plot_topology(tk.from_masks([np.ones((3, 2))])).collections[1]
    x, y = np.asarray(senders.get_offsets()).T
    assert np.all(x == 0)
    assert np.all(np.diff(y) < 0)


def test_layers_are_labeled_with_their_widths():
    ax = tk.plotting.plot_topology(tk.from_masks([np.ones((4, 3)), np.ones((3, 2))]))
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["inputs\n(4)", "1\n(3)", "outputs\n(2)"]


def test_crowded_layers_are_drawn_fainter():
    small, large = (
        collections_of(tk.plotting.plot_topology(tk.from_masks([np.ones((n, n))])))[0]
        for n in (2, 40)
    )
    assert np.max(large.get_alpha()) < np.min(small.get_alpha())
    assert np.max(large.get_linewidth()) < np.min(small.get_linewidth())


def test_a_few_constant_edges_among_many_trainable_ones_stand_out():
    trainable = np.ones((40, 40), bool)
    trainable[[3, 30], [20, 5]] = False
    ax = tk.plotting.plot_topology(tk.from_masks([np.ones((40, 40))], trainable=[trainable]))
    many, few = collections_of(ax)[:2]
    assert np.max(many.get_alpha()) < 0.3 < 0.9 <= np.min(few.get_alpha())
    assert np.max(many.get_linewidth()) < np.min(few.get_linewidth())
    legend = ax.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["1,598 trainable edges", "2 constant edges"]


# Curves


def test_losses_are_lines_on_a_logarithmic_scale_with_a_band_over_targets():
    many = np.array([[1.0, 0.1], [3.0, 0.3]])
    ax = tk.plotting.plot_losses({"one": np.array([1.0, 0.5, 0.2]), "many": many})
    assert ax.get_yscale() == "log"
    assert np.allclose(ax.lines[1].get_ydata(), [2.0, 0.2])
    (band,) = ax.collections
    low, high = band.get_datalim(ax.transData).get_points()[:, 1]
    assert (low, high) == pytest.approx((0.1, 3.0))
    assert ax.get_legend_handles_labels()[1] == ["one", "many"]


def test_names_beside_the_parameters_stand_in_the_order_of_losses():
    rows = [row("best", loss=0.1), row("middle", loss=0.101), row("worst", loss=0.9)]
    ax = tk.plotting.plot_parameters(rows[::-1])
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts if text.get_text()}
    assert heights["best"] < heights["middle"] < heights["worst"]
    assert heights["middle"] - heights["best"] >= 0.044


def test_many_names_beside_the_parameters_stay_inside_and_apart():
    ax = tk.plotting.plot_parameters([row(f"net {i}", loss=0.5) for i in range(60)])
    heights = sorted(text.get_position()[1] for text in ax.texts if text.get_text())
    assert np.diff(heights).min() > 0.9 / 60
    assert 0 <= heights[0] <= heights[-1] <= 1


def test_a_family_has_one_color_and_marker_and_skip_is_open():
    rows = [row("a", loss=0.1), row("b", loss=0.2, skip=True), row("c", loss=0.3, family="torus")]
    containers: Any = tk.plotting.plot_parameters(rows).containers
    a, b, c = (bars.lines[0] for bars in containers)
    assert (a.get_color(), a.get_marker()) == (b.get_color(), b.get_marker())
    assert a.get_color() != c.get_color()
    assert a.get_marker() != c.get_marker()
    assert b.get_markerfacecolor() == "none" != a.get_markerfacecolor()


def lines_of(ax: Axes) -> dict[Any, list[float]]:
    """The sizes that a line joins, by its style."""
    drawn = [(line.get_linestyle(), np.asarray(line.get_xdata()).tolist()) for line in ax.lines]
    return {style: sizes for style, sizes in drawn if len(sizes) > 1}


def test_members_of_one_family_are_joined_by_size_and_named_once():
    sizes = {64: 0.5, 32: 0.6, 128: 0.01}
    rows = [row("a", loss=loss, trainable=size) for size, loss in sizes.items()]
    rows += [row("a + skip", loss=0.3, trainable=size, skip=True) for size in (60, 50)]
    rows += [row("b", loss=0.2, family="torus"), row("c", loss=0.2, family="")]
    ax = tk.plotting.plot_parameters(rows)
    assert lines_of(ax) == {"-": [32, 64, 128], "--": [50, 60]}
    assert sorted(text.get_text() for text in ax.texts if text.get_text()) == sorted(
        ["a", "a + skip", "b", "c"]
    )


def test_members_of_one_size_and_topologies_without_a_family_are_not_joined():
    rows = [row("a", loss=0.5), row("b", loss=0.4)]
    rows += [row(f"file {size}", loss=0.1, trainable=size, family="") for size in (10, 20)]
    assert lines_of(tk.plotting.plot_parameters(rows)) == {}


def test_means_over_few_matrices_are_said_where_others_are_over_more():
    rows = [row("a", loss=0.5, targets=16), row("a", loss=0.4, trainable=99, targets=4)]
    assert "means of 4 or 16 matrices" in tk.plotting.plot_parameters(rows).get_title("right")
    assert not tk.plotting.plot_parameters(rows[:1]).get_title("right")


def test_a_loss_of_zero_is_still_drawn():
    assert tk.plotting.plot_parameters([row("exact", loss=0.0)]).get_yscale() == "linear"


# Ranking


def test_a_ranking_has_a_line_for_each_topology_the_best_on_top():
    rows = [row("worst", loss=0.9), row("best", loss=0.1), row("lost", loss=float("nan"))]
    ax = tk.plotting.plot_ranking(rows)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["best", "worst"]
    assert ax.yaxis_inverted()
    assert ax.get_xscale() == "log"


def test_a_ranking_shows_two_standard_errors_and_the_predicted_loss():
    ax = tk.plotting.plot_ranking([row("a", loss=0.4, loss_error=0.1, predicted_loss=0.3)])
    containers: Any = ax.containers
    (bar,) = containers[0].lines[2][0].get_segments()
    assert bar[:, 0] == pytest.approx([0.2, 0.6])
    (predicted,) = (line for line in ax.lines if line.get_marker() == "|")
    assert predicted.get_xdata() == pytest.approx([0.3])


def test_a_ranking_is_drawn_over_the_numbers_that_it_has():
    rows = [row("a", loss=0.4, predicted_loss=0.05), row("b", loss=0.1, predicted_loss=0.3)]
    left, right = tk.plotting.plot_ranking(rows).get_xlim()
    assert 0.02 < left < 0.05
    assert 0.4 < right < 1


def test_a_loss_below_a_millionth_stands_at_the_edge_with_its_number():
    rows = [row("exact", loss=0.0), row("tiny", loss=3e-8), row("a", loss=0.5)]
    ax = tk.plotting.plot_ranking(rows)
    at_the_edge = [line for line in ax.lines if np.array_equal(line.get_xdata(), [1e-6])]
    assert len(at_the_edge) == 2
    assert {"← 0.0e+00", "← 3.0e-08"} <= {text.get_text() for text in ax.texts}


def test_a_dollar_in_a_name_is_no_mathematics():
    for draw in (tk.plotting.plot_ranking, tk.plotting.plot_parameters):
        draw([row("a$b_{$c", loss=0.5)]).figure.canvas.draw()
    tk.plotting.plot_controls({"$x^$": np.ones((2, 2))})[0].figure.canvas.draw()
    tk.plotting.plot_losses({"$x^$": np.ones(3)}).figure.canvas.draw()


# What cannot be drawn


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: tk.plotting.plot_control(np.full((2, 2), np.nan)), "K must be a matrix of finite"),
        (lambda: tk.plotting.plot_control(np.ones((0, 2))), "K must be a matrix"),
        (lambda: tk.plotting.plot_controls({}), "controls is empty"),
        (lambda: tk.plotting.plot_controls({"a": np.ones((2, 2))}, []), "at least 1 axes; given 0"),
        (lambda: tk.plotting.plot_leverage(np.full((2, 2), np.inf)), "H must be a matrix of fin"),
        (lambda: tk.plotting.plot_maps({}), "maps is empty"),
        (lambda: tk.plotting.plot_maps({"a": MAPS}, []), "at least 3 axes, three for each .* 0"),
        (lambda: tk.plotting.plot_losses({}), "losses is empty"),
        (lambda: tk.plotting.plot_losses({"a": np.ones((2, 2, 2))}), "losses\\['a'\\] must have"),
        (lambda: tk.plotting.plot_ranking([]), "at least one finite loss"),
        (lambda: tk.plotting.plot_parameters([]), "at least one finite loss"),
    ],
)
def test_what_cannot_be_drawn_raises(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()


def test_a_leverage_map_may_be_a_list_of_lists():
    untyped: Any = unwrap(tk.plotting.plot_leverage)
    assert untyped([[1, 2]]).get_title() == "degrees of freedom 3 of 2"
