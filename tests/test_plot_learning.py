"""Learning curves: a line for each name, a band for its seeds."""

import matplotlib as mpl
import numpy as np
import pytest

from topokit.plotting import plot_learning

mpl.use("agg")


def test_a_line_is_the_mean_error_over_seeds_in_percent() -> None:
    ax = plot_learning({"a": [np.array([0.5, 0.9]), np.array([0.7, 0.8])], "b": [np.ones(2)]})
    first, second = ax.get_lines()
    np.testing.assert_allclose(np.array(first.get_xydata(), float), [[1, 40], [2, 15]])
    np.testing.assert_allclose(np.array(second.get_xydata(), float), [[1, 0], [2, 0]], atol=1e-9)
    assert len(ax.collections) == 1, "one seed has no band"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_seeds_of_different_lengths_and_nothing_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"as many epochs for each seed; given \[1, 2\]"):
        plot_learning({"a": [np.ones(2), np.ones(1)]})
    with pytest.raises(ValueError, match="accuracies is empty"):
        plot_learning({})
