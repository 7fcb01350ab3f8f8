"""Networks and images that inference is measured on: the challenge's own, or made ones."""

from typing import NamedTuple

import numpy as np

import topokit as tk
from analyses._learning import load
from analyses.kit import data_folder
from topokit.challenge import ChallengeNetwork, Images

# Of the official images these two sit on an unstable fixed point, where the order of a sum decides.
UNSTABLE = (11866, 49259)


class Given(NamedTuple):
    """Network and images to begin with, and the truth, if it is known."""

    source: str
    network: ChallengeNetwork
    images: Images
    truth: np.ndarray | None


def official() -> Given | None:
    """The official problem of 1,024 neurons and 120 layers, if its files are there."""
    data = data_folder("data")
    if data is None or not data.is_dir():
        return None
    return Given(
        "official",
        tk.challenge.read_class_tables(data / "n1024-class-tables.npz"),
        tk.challenge.read_images(data / "sparse-images-1024.npz"),
        tk.challenge.read_categories(data / "neuron1024-l120-categories.tsv"),
    )


def made(neurons: int, depth: int, n: int) -> Given:
    """The plain network and synthetic images."""
    network = tk.challenge.plain_network(neurons, depth)
    return Given("made", network, tk.challenge.synthetic_images(n, neurons), None)


def enlarged(neurons: int, n: int) -> tuple[str, Images]:
    """MNIST's first images, or synthetic ones."""
    folder = data_folder("mnist")
    if folder is None or not folder.is_dir():
        return "synthetic", tk.challenge.synthetic_images(n, neurons)
    gray = np.rint(255 * load("mnist").train_x[:n, 0]).astype(np.uint8)
    return "MNIST", tk.challenge.interpolate(gray, int(neurons**0.5))
