"""Large matrices as pictures: what stands out is in the file that is saved, whatever its place."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import topokit as tk
from topokit._matrix_blocks import farthest
from topokit.plotting._matrix_image import rarest

mpl.use("agg")

SIZES = [1024, 2500]
PLAIN, DARK, BRIGHT = 0.5, 0.0, 1.0

# Shares of a side: rows, columns and entries that stand out, at both ends and in between.
ROWS = np.array([0.0, 0.037, 0.21, 1 / 3, 0.5001, 0.707, 0.9, 0.9999])
COLUMNS = np.array([0.0, 0.061, 0.18, 0.4, 0.5777, 0.75, 0.86, 0.9999])
ENTRIES = np.array([[0.1, 0.1], [0.27, 0.48], [0.45, 0.93], [0.8, 0.3], [0.95, 0.65]])


def alone(field: str) -> Callable[[np.ndarray], Axes]:
    """One of the three maps of a topology."""
    place = ["descent", "control", "leverage"].index(field)

    def draw(matrix: np.ndarray) -> Axes:
        maps = dict.fromkeys(["descent", "control", "leverage"]) | {field: matrix}
        return tk.plotting.plot_maps({"net": SimpleNamespace(**maps)})[0, place]

    return draw


DRAW: dict[str, Callable[[np.ndarray], Axes]] = {
    "plot_control": tk.plotting.plot_control,
    "plot_leverage": tk.plotting.plot_leverage,
    "plot_controls": lambda matrix: tk.plotting.plot_controls({"net": matrix})[0],
    "plot_maps, K": alone("control"),
    "plot_maps, H": alone("leverage"),
}


def saved(ax: Axes, folder: Path, dpi: float = 200) -> np.ndarray:
    """The pixels of the axes in a saved file, from the top left."""
    figure, path = ax.get_figure(root=True), folder / "picture.png"
    assert figure is not None
    figure.savefig(path, dpi=dpi)
    box = ax.get_window_extent().frozen().transformed(figure.transFigure.inverted())
    plt.close(figure)
    pixels = plt.imread(path)[..., :3]
    height, width = pixels.shape[:2]
    rows = slice(round((1 - box.y1) * height), round((1 - box.y0) * height))
    return pixels[rows, round(box.x0 * width) : round(box.x1 * width)]


def near(share: float, pixels: int) -> slice:
    """The pixels about a place."""
    return slice(max(0, int(share * pixels) - 3), int(share * pixels) + 5)


def lost(pixels: np.ndarray, colors: Any, rows, columns, entries) -> list:
    """What is not where it should be: rows, columns and entries, each in a color of its own."""
    height, width, _ = pixels.shape
    row_color, column_color, entry_color = (
        np.abs(pixels - color[:3]).max(axis=2) < 0.01 for color in colors
    )
    found = {f"row {i}": row_color[near(i, height)].mean(axis=1).max(initial=0) > 0.9 for i in rows}
    for j in columns:
        found[f"column {j}"] = column_color[:, near(j, width)].mean(axis=0).max(initial=0) > 0.9
    for i, j in entries:
        found[f"entry {i}, {j}"] = entry_color[near(i, height), near(j, width)].any()
    return [name for name, there in found.items() if not there]


def places(shares: np.ndarray, n: int) -> np.ndarray:
    return (shares * n).astype(int)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_rows_columns_and_entries_that_stand_out_are_in_the_picture(draw, n, tmp_path):
    for value, other in ((DARK, BRIGHT), (BRIGHT, DARK)):
        matrix = np.full((n, n), PLAIN, np.float32)
        matrix[places(ROWS, n)] = matrix[tuple(places(ENTRIES, n).T)] = value
        matrix[:, places(COLUMNS, n)] = other
        ax = draw(matrix)
        colors = ax.images[0].to_rgba(np.array([value, other, value]))
        assert lost(saved(ax, tmp_path), colors, ROWS, COLUMNS, ENTRIES) == []


@pytest.mark.parametrize("dpi", [72.3, 100, 333])
def test_nothing_is_lost_at_other_resolutions(dpi, tmp_path):
    matrix = np.full((1024, 700), PLAIN)
    matrix[places(ROWS, 1024)] = DARK
    ax = tk.plotting.plot_control(matrix)
    colors = [ax.images[0].to_rgba(np.array([DARK]))[0]] * 3
    assert lost(saved(ax, tmp_path, dpi), colors, ROWS, [], []) == []


def test_zoomed_in_every_entry_is_there(tmp_path):
    matrix = np.full((1024, 1024), PLAIN)
    matrix[512, 509:519:2] = DARK
    ax = tk.plotting.plot_control(matrix)
    ax.set(xlim=(507.5, 519.5), ylim=(519.5, 507.5))
    pixels = saved(ax, tmp_path)
    dark = np.abs(pixels - ax.images[0].to_rgba(np.array([DARK]))[0, :3]).max(axis=2) < 0.01
    height, width = dark.shape
    shares = [dark[int(4.5 * height / 12), int((k + 0.5) * width / 12)] for k in range(12)]
    assert shares == [k in (1, 3, 5, 7, 9) for k in range(12)]
    assert dark.sum() == pytest.approx(5 / 144 * dark.size, rel=0.03)


@pytest.mark.parametrize("n", SIZES)
def test_single_edges_of_either_kind_are_in_the_picture_of_a_mask(n, tmp_path):
    """Input 0 feeds all, so that every output can be reached."""
    free, constant = ENTRIES[:3], ENTRIES[3:]
    senders, receivers = np.hstack([[np.zeros(n, int), np.arange(n)], places(ENTRIES, n).T])
    trainable = np.arange(n + 5) < n + 3
    layers = tk.make_layers([n, n], [senders], [receivers], trainable=[trainable])
    for kind, edges in ((1, free), (2, constant)):
        (ax,) = tk.plotting.plot_masks(layers)
        colors = [ax.images[0].to_rgba(np.array([kind]))[0]] * 3
        assert lost(saved(ax, tmp_path), colors, [], [], edges) == []


def test_single_gaps_and_lines_without_edges_are_in_the_picture_of_a_dense_mask(tmp_path):
    n = 1024
    mask = np.ones((n, n), bool)
    mask[places(ROWS[1:-1], n)] = False
    mask[tuple(places(ENTRIES, n).T)] = False
    layers = tk.make_layers([n, n], *([array] for array in np.nonzero(mask)))
    (ax,) = tk.plotting.plot_masks(layers)
    colors = [ax.images[0].to_rgba(np.array([0]))[0]] * 3
    assert lost(saved(ax, tmp_path), colors, ROWS[1:-1], [], ENTRIES) == []


laws = settings(max_examples=40)


@st.composite
def matrices_and_blocks(draw):
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    rows, columns = (
        np.sort(rng.choice(np.arange(1, k), rng.integers(0, k), replace=False)) for k in (n, m)
    )
    starts = [np.concatenate([[0], cuts]).astype(int) for cuts in (rows, columns)]
    return rng.integers(0, 3, (n, m)), *starts


def blocks(matrix, rows, columns):
    """Each block of a matrix, one by one."""
    for i, high in enumerate(np.split(matrix, rows[1:], axis=0)):
        for j, block in enumerate(np.split(high, columns[1:], axis=1)):
            yield (i, j), block


@laws
@given(matrices_and_blocks())
def test_a_block_of_numbers_is_its_value_farthest_from_the_mean_of_all(case):
    matrix, rows, columns = case
    reduced = farthest(matrix.astype(float), rows, columns)
    for place, block in blocks(matrix, rows, columns):
        assert reduced[place] in block
        off = np.abs(block - matrix.mean()).max()
        assert abs(reduced[place] - matrix.mean()) == pytest.approx(off)


@laws
@given(matrices_and_blocks())
def test_a_block_of_kinds_is_its_kind_that_is_rarest_in_all(case):
    matrix, rows, columns = case
    counts = np.bincount(matrix.ravel(), minlength=3)
    reduced = rarest(matrix, rows, columns)
    for place, block in blocks(matrix, rows, columns):
        assert reduced[place] in block
        assert counts[reduced[place]] == counts[np.unique(block)].min()


def test_matrices_with_a_pixel_for_each_entry_are_drawn_entry_by_entry(tmp_path):
    matrix = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (48, 80))
    ax = tk.plotting.plot_control(matrix)
    pixels = saved(ax, tmp_path)
    height, width, _ = pixels.shape
    rows = ((np.arange(48) + 0.5) * height / 48).astype(int)
    columns = ((np.arange(80) + 0.5) * width / 80).astype(int)
    expected = ax.images[0].to_rgba(matrix)[..., :3]
    np.testing.assert_allclose(pixels[np.ix_(rows, columns)], expected, atol=0.01)
