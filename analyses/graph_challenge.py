"""The Sparse DNN Graph Challenge made, checked, and put beside published rates.

Left: the share of images that are alive by layer, in the official network with its permutations and
in plain RadiX-Nets of three widths, on MNIST enlarged. Right: rates of the FSSL paper (Wang and
others, "Performance of Training Sparse Deep Neural Networks on GPUs", HPEC 2019, tables VII to IX,
on a V100: two of these captions say "with buffer" where the text says "without" and "with filter"),
of the champion of 2020 (Hidayetoglu and others, HPEC 2020, on an A100), and topokit's as
`benchmarks/challenge.json` holds them, with its device. A rate is inputs times connections a
second; images that died count, so that it depends on how soon they do.

Claims, each by the files themselves: MNIST enlarged is the challenge's input, byte by byte; the
generator's first layers are the official ones, all layers are those of the class tables; by edges
and by classes the official network leaves exactly the images of the truth, the two apart that sit
on an unstable fixed point, where the order of a sum decides.

Images alive in the first layers differ by a few between forms and widths of numbers: sums that
cancel the bias exactly come out as 0 or just above it. These die in the next layers.

`deviation` is how far the paper's rates are from 60,000 images times connections divided by the
times in its tables IV to VI, at most, relative to the rate.

Writes `graph_challenge.png` and `graph_challenge.json` beside this script. `--quick` takes a small
made network and keeps nothing.
"""

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses._learning import load
from analyses._published_rates import CHAMPION, PAPER, SIZES
from analyses.kit import COLORS, Look, Study, data_folder
from topokit.challenge import ChallengeNetwork, Images, by_classes, by_edges, infer

RATES = Path(__file__).parent / "benchmarks/challenge.json"
# The md5 sum of the challenge's own sparse-images-1024.tsv.
INPUT_MD5 = "470a86db55c4d52a00d4d78ce5513f74"
UNSTABLE = (11866, 49259)
OFFICIAL, DEPTH, BLOCK = True, 120, 6
# Images of the plain networks, equally many pixels but for the first.
PLAIN = {1024: 60000, 4096: 6000, 16384: 1500}
INPUTS = 60000

STYLES_ALIVE = {
    "official, 1024": Look("", COLORS.blue, "-"),
    "plain, 1024": Look("", COLORS.blue, "--"),
    "plain, 4096": Look("", COLORS.red, "--"),
    "plain, 16384": Look("", COLORS.green, "--"),
}
STYLES_RATES = {
    "V100 with buffer": Look("s", COLORS.gray),
    "V100 without buffer": Look("v", COLORS.gray),
    "V100 with filter": Look("^", COLORS.gray),
    "A100, champion of 2020": Look("*", COLORS.gray),
    "topokit by edges": Look("o", COLORS.blue),
    "topokit by classes": Look("D", COLORS.red),
}


def images(neurons: int) -> Images:
    """The first of MNIST, enlarged, or synthetic ones."""
    number = PLAIN[neurons]
    if not OFFICIAL:
        return tk.challenge.synthetic_images(number, neurons)
    gray = np.rint(255 * load("mnist").train_x[:number, 0]).astype(np.uint8)
    return tk.challenge.interpolate(gray, int(neurons**0.5))


def cases() -> list[str | int]:
    """The checks by name, and plain networks by their neurons."""
    checks = ["input", "network", "inference"] if OFFICIAL else ["inference"]
    return [*checks, *PLAIN]


def measure(case: str | int) -> Any:
    """One check, or the images alive in a plain network."""
    network, truth = problem()
    first = images(next(iter(PLAIN)))
    match case:
        case "input":
            return check_input(first)
        case "network":
            return check_network(network, official_folder())
        case "inference":
            return check_truth(network, first, truth)
    return alive_by_layer(int(case), DEPTH, images(int(case)))


@cache
def problem() -> tuple[ChallengeNetwork, np.ndarray]:
    """The official network and what it leaves, or a small one that is its own truth."""
    if OFFICIAL:
        return (
            tk.challenge.read_class_tables(official_folder() / "n1024-class-tables.npz"),
            tk.challenge.read_categories(official_folder() / "neuron1024-l120-categories.tsv"),
        )
    (neurons,) = PLAIN
    network = tk.challenge.plain_network(neurons, DEPTH)
    return network, infer(network, images(neurons), drop_dead=False).categories


def official_folder() -> Path:
    """Where the official files are."""
    return data_folder("data") or Path()


def check_input(images: Images) -> dict:
    """Lit pixels, and the sum of the file that the challenge has of these images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.tsv"
        tk.challenge.write_images(images, path)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return {"lit": int(np.unpackbits(images.bits).sum()), "md5": md5, "holds": md5 == INPUT_MD5}


def check_network(tables: ChallengeNetwork, data: Path) -> dict[str, bool]:
    """Generator, class tables and official files against each other."""
    files = tk.challenge.read_network(data / "neuron1024-l1-l120.tar.xz")
    plain = tk.challenge.plain_network(1024, DEPTH)
    return {
        "first layers are the generator's": all(same(files, plain, k) for k in range(BLOCK)),
        "all layers are those of the tables": all(same(files, tables, k) for k in range(DEPTH)),
    }


def same(one: ChallengeNetwork, other: ChallengeNetwork, layer: int) -> bool:
    """Whether two networks have a layer in common."""
    return np.array_equal(one.senders(layer), other.senders(layer))


def check_truth(network: ChallengeNetwork, images: Images, truth: np.ndarray) -> tuple[dict, list]:
    """By both forms: what is left against the truth, and the images alive by layer."""
    found = {form.__name__: infer(network, images, form=form) for form in (by_edges, by_classes)}
    rows = {}
    for name, result in found.items():
        apart = np.setxor1d(result.categories, truth)
        rows[name] = {
            "left": len(result.categories),
            "of the unstable": np.intersect1d(result.categories, UNSTABLE).tolist(),
            "holds": not np.setdiff1d(apart, UNSTABLE).size,
        }
    return {"truth": len(truth)} | rows, found["by_edges"].alive.tolist()


def alive_by_layer(neurons: int, depth: int, images: Images) -> dict:
    """Of a plain network."""
    network = tk.challenge.plain_network(neurons, depth)
    found = infer(network, images, form=by_classes)
    return {"images": len(images.bits), "alive": found.alive.tolist()}


def rate_table(ours: dict | None) -> dict[str, dict[str, float]]:
    """Everyone's rates by size."""
    table = {name_of(*size): {} for size in SIZES}
    for name, (rates, _) in PAPER.items():
        for size, rate in zip(SIZES, rates, strict=True):
            table[name_of(*size)][name] = rate
    for size, rate in CHAMPION.items():
        table[name_of(*size)]["A100, champion of 2020"] = rate
    if ours is not None:
        rows = {name_of(1024, 120) + " official": ours["official"]["rows"]}
        rows |= {name_of(row["neurons"], row["depth"]): row for row in ours["growth"]}
        for name, row in rows.items():
            rates = {f"topokit by {form}": row[form].get("rate") for form in ("edges", "classes")}
            found = {who: rate for who, rate in rates.items() if rate}
            table[name] = table.get(name, {}) | found
    return dict(sorted(table.items(), key=lambda item: [int(p) for p in item[0].split()[:3:2]]))


def name_of(neurons: int, depth: int) -> str:
    """How a size is called."""
    return f"{neurons} x {depth}"


def deviation() -> float:
    """Of the paper's rates from its times."""
    connections = np.array([32 * neurons * depth for neurons, depth in SIZES])
    apart = [
        np.abs(INPUTS * connections / np.array(seconds) / np.array(rates) - 1)
        for rates, seconds in PAPER.values()
    ]
    return round(float(np.max(apart)), 4)


def summarize(found: dict[Any, Any]) -> dict[str, Any]:
    """Checks, images alive by layer, and everyone's rates."""
    found["inference"], alive = found["inference"]
    curves = {"official, 1024": {"images": PLAIN[1024], "alive": alive}} if OFFICIAL else {}
    curves |= {f"plain, {n}": found.pop(n) for n in PLAIN}
    ours = json.loads(RATES.read_text(encoding="utf-8")) if RATES.exists() else None
    device = "not measured" if ours is None else f"{ours['device']}, {ours['cores']} core"
    more = {"device": device, "rates": rate_table(ours), "deviation": deviation()}
    return found | {"alive": curves} | more


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Images alive by layer, and rates beside the paper's."""
    left, right = figure.subplots(1, 2)
    draw_alive(left, results["alive"])
    draw_rates(right, results["rates"], results["device"])


def draw_alive(ax: Axes, alive: dict[str, dict]) -> None:
    """A line for each network."""
    deepest = max(len(row["alive"]) for row in alive.values())
    for name, row in alive.items():
        _, color, line = STYLES_ALIVE.get(name, Look("", "black", ":"))
        share = 100 * np.array([row["images"], *row["alive"]]) / row["images"]
        layers = np.arange(len(share))
        ax.plot(layers + 1, share, line, color=color, label=f"{name} ({row['images']:,} images)")
    ticks = [layer for layer in (0, 1, 3, 7, 15, 31, 63, 120) if layer <= deepest]
    ax.set(xscale="log", yscale="log", xlabel="layers passed", ylabel="images alive (%)")
    ax.set_xticks([tick + 1 for tick in ticks], [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(fontsize=6.5)


def draw_rates(ax: Axes, rates: dict[str, dict[str, float]], device: str) -> None:
    """One column a size."""
    sizes = list(rates)
    for name, (mark, color, _) in STYLES_RATES.items():
        shown = [
            (place, rates[size][name]) for place, size in enumerate(sizes) if name in rates[size]
        ]
        if shown:
            mine = name.startswith("topokit")
            label = f"{name} ({device})" if mine else name
            fill = color if mine else "none"
            ax.plot(*zip(*shown, strict=True), mark, color=color, mfc=fill, label=label)
    ax.set(yscale="log", ylabel="inputs x connections a second")
    ax.set_xticks(range(len(sizes)), sizes, rotation=50, ha="right", fontsize=6.5)
    ax.set_ylim(top=1e15)  # room for the legend
    ax.legend(fontsize=6, ncols=2, loc="upper center")


STUDY = Study(
    __name__,
    quick={"PLAIN": {64: 50}, "DEPTH": 8, "OFFICIAL": False},
    size=(7.4, 3.6),
    data=("data", "mnist"),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
