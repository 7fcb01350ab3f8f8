"""Inference against the challenge's rule by scipy, and against the official truth."""

from functools import cache, partial

import numpy as np
import pytest
from challenges import DATA, by_scipy, needs_official_data, permuted
from hypothesis import given, settings
from hypothesis import strategies as st

from topokit.challenge import (
    Images,
    by_classes,
    by_edges,
    infer,
    pack_images,
    plain_network,
    read_categories,
    read_class_tables,
    read_images,
    synthetic_images,
)

FORMS = [by_edges, by_classes]
# These sit exactly on the unstable fixed point 0.3 of a layer with gain 2 and bias -0.3, where the
# order of a sum decides.
UNSTABLE = {11866, 49259}
IMAGES = 48


def draw(neurons: int, seed: int) -> np.ndarray:
    """Images of any share of lit pixels: some die in the first layers, some never."""
    rng = np.random.default_rng(seed)
    return rng.random((IMAGES, neurons)) < rng.uniform(0, 0.6, (IMAGES, 1))


def answer(network, images: Images, **options) -> tuple[list[int], list[int]]:
    found = infer(network, images, **options)
    return found.categories.tolist(), found.alive.tolist()


@pytest.mark.parametrize("form", FORMS)
@given(st.integers(0, 999))
@settings(max_examples=15)
def test_random_images_through_a_random_permuted_network_are_as_scipy_has_them(form, seed):
    network, pixels = permuted(64, 3, seed), draw(64, seed)
    assert answer(network, pack_images(pixels), form=form) == by_scipy(network, pixels)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("neurons", "depth"), [(32, 3), (64, 1), (128, 7), (256, 12)])
def test_a_plain_network_is_as_scipy_has_it(form, neurons, depth):
    network, pixels = plain_network(neurons, depth), draw(neurons, depth)
    assert answer(network, pack_images(pixels), form=form) == by_scipy(network, pixels)


@cache
def expected() -> tuple[list[int], list[int]]:
    """By scipy, of the case that the options are tried on."""
    return by_scipy(permuted(128, 8, seed=3), draw(128, 3))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        {"drop_dead": False},
        {"buffers": False},
        {"drop_dead": False, "buffers": False},
        {"group": 1},
        {"group": 7},
        {"group": IMAGES - 1},
        {"group": IMAGES + 1, "drop_dead": False},
    ],
    ids=str,
)
def test_no_option_changes_what_is_left(form, options):
    network, images = permuted(128, 8, seed=3), pack_images(draw(128, 3))
    assert answer(network, images, form=form, **options) == expected()


def test_the_case_of_the_options_has_images_that_die_early_late_and_never():
    left, alive = expected()
    assert 0 < len(left) < IMAGES
    assert len(set(alive)) > 3
    assert alive == sorted(alive, reverse=True)
    assert alive[-1] == len(left)


@pytest.mark.parametrize("form", FORMS)
def test_images_are_independent_of_each_other(form):
    network, pixels = permuted(128, 8, seed=3), draw(128, 3)
    order = np.random.default_rng(0).permutation(IMAGES)
    left, _ = answer(network, pack_images(pixels[order]), form=form)
    assert sorted(order[np.array(left) - 1] + 1) == expected()[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("lit", "left"), [(False, []), (True, list(range(1, IMAGES + 1)))])
@pytest.mark.parametrize("drop_dead", [False, True])
def test_dark_images_die_at_once_and_bright_ones_never(form, lit, left, drop_dead):
    images = pack_images(np.full((IMAGES, 64), lit))
    found = answer(plain_network(64, 40), images, form=form, drop_dead=drop_dead)
    assert found == (left, [len(left)] * 40)


@pytest.mark.parametrize("form", FORMS)
def test_no_images_at_all_leave_none(form):
    found = infer(plain_network(64, 5), pack_images(np.zeros((0, 64))), form=form)
    assert found.categories.tolist() == []
    assert found.alive.tolist() == [0] * 5


def test_the_rate_is_images_times_connections_a_second():
    network = plain_network(64, 5)
    found = infer(network, synthetic_images(IMAGES, 64))
    assert found.seconds > 0
    assert found.table_seconds > 0
    assert found.rate == pytest.approx(IMAGES * 32 * 64 * 5 / found.seconds)


def test_progress_ends_at_the_last_layer_of_each_group():
    told = []
    infer(plain_network(64, 50), pack_images(draw(64, 0)), group=IMAGES // 2, callback=told.append)
    half = told[: len(told) // 2]
    assert told == half * 2
    assert half == sorted(set(half))
    assert half[-1] == 50


def test_images_of_another_size_are_refused():
    few = Images(np.zeros((4, 4), np.uint8), 64)
    with pytest.raises(ValueError, match=r"have 8 bytes each; given bits of shape \(4, 4\)"):
        infer(plain_network(64, 2), few)
    with pytest.raises(ValueError, match="takes images of 64 pixels; given 256"):
        infer(plain_network(64, 2), synthetic_images(2, 256))


@pytest.mark.parametrize("group", [-1, 0])
def test_a_group_has_at_least_one_image(group):
    with pytest.raises(ValueError, match="group must be an integer of at least 1"):
        infer(plain_network(64, 2), synthetic_images(2, 64), group=group)


def test_a_network_without_classes_is_refused_by_classes_and_goes_by_edges():
    rng = np.random.default_rng(0)
    random = np.stack([np.sort(rng.choice(64, 32, replace=False)) for _ in range(64)])
    network = permuted(64, 1, seed=0)._replace(senders=lambda _: random)
    pixels = draw(64, 0)
    run = partial(infer, network, pack_images(pixels))
    with pytest.raises(ValueError, match=r"use topokit\.challenge\.by_edges"):
        run(form=by_classes)
    assert run(form=by_edges).categories.tolist() == by_scipy(network, pixels)[0]


@needs_official_data
@pytest.mark.parametrize("form", FORMS)
def test_the_first_1200_official_images_leave_the_official_categories(form):
    network = read_class_tables(DATA / "n1024-class-tables.npz")
    images = read_images(DATA / "sparse-images-1024_subset.mtx.gz")
    truth = read_categories(DATA / "neuron1024-l120-categories.tsv")
    found = infer(network, images, form=form)
    assert len(images.bits) == 1200
    assert not UNSTABLE & set(range(1, 1201))
    assert found.categories.tolist() == truth[truth <= 1200].tolist()
    assert len(found.categories) > 10


@needs_official_data
def test_the_truth_names_1812_of_all_images_and_none_of_the_unstable_ones():
    truth = read_categories(DATA / "neuron1024-l120-categories.tsv")
    assert truth.size == 1812
    assert not UNSTABLE & set(truth.tolist())
    assert 1 <= truth.min() < truth.max() <= 60000
