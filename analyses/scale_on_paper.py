"""Four to 65,536 devices share one wide layer, on paper: which wiring fits which network of them?

No machine here has so many devices, so these are closed forms (`topokit.devices.costs`). Tests hold
those of dense by outputs on a ring, Clos on a torus and butterfly on a hypercube against real
programs of up to 16 devices; the others nothing here runs. A layer of `n` inputs and outputs is
dense, a Clos network of sqrt(n) routers a stage, a butterfly of one sweep, or of low rank with the
edges of the Clos network. A dense layer is cut by outputs, as ClosNets and `dense_on_ring` do, or
in blocks, which a ring does not reward. All devices share one batch, of numbers of two bytes; each
has `n / p` neurons and its part of the weights. A step is values, gradients of inputs and of
weights, and Adam.

Time is the longer of a roofline and of what is sent: at least so much, with perfect overlap, at
full rates also of small blocks. Devices send over one link at a time, as the programs here do. On
a ring or torus what is not for a neighbor goes link by link, and counts on each (a row of a torus
is a piece of the ring); bytes are those over a link. On a hypercube gathers double. Machines:

- NVIDIA H100 SXM: 989.4 TFLOP/s (bfloat16, without sparsity), 80 GB at 3.35 TB/s (data sheet); a
  400 Gbit/s port of NDR InfiniBand for each of a DGX H100's GPUs (its data sheet), so 50 GB/s
  through switches, in any network of devices. Latency 2.7 us, what NCCL's own model takes for a
  step of a ring over a network (`hwLat` in NVIDIA/nccl, `src/graph/tuning.cc`, its protocol LL,
  which does not reach the full rate: for large blocks the sum of both is too good).
- Google TPU v4: 275 TFLOP/s (bfloat16), 32 GiB at 1,200 GB/s, six links of 50 GB/s in a torus
  (Jouppi and others, ISCA 2023), so a hypercube of no more than 2^6. Latency 1 us: "typically
  around 1us" a hop (Austin and others, How to scale your model, part 3, 2025).

Claims of ClosNets, and how they are judged here.

a. "Reduce dense layer sizes by as much as an order of magnitude": at some width the Clos network
   has a tenth of the weights. In part, if a fifth.
b. An order of magnitude less to send, the way its section III lays it out: with 1,024 devices or
   more a dense layer by outputs on a ring always sends ten times as many messages as a Clos network
   on a torus. In part, if sometimes.
c. The same against a dense layer in blocks on the same torus. In part, if Clos always sends fewer.
d. "Single hop movement": on tori of up to 64 devices each move is to a neighbor, in as many steps
   as the closed form has messages, and no network of devices has fewer bytes over a link. In part,
   if the moves are so.
e. "Significant training speedups": on a torus a step of Clos takes less time than one of the faster
   dense layer wherever both fit, on both machines. In part, if somewhere.

Writes `scale_on_paper.png` and, with its numbers, `scale_on_paper.json` beside this script;
`--quick` keeps nothing.
"""

from itertools import product
from math import isqrt
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.kit import COLORS, Look, Study, significant, verdict
from analyses.kit import show as kit_show
from topokit import devices
from topokit.devices import costs

DEVICES = [4**k for k in range(1, 9)]
WIDTHS = [4**k for k in range(5, 11)]
BATCH, ITEMSIZE = 1024, 2
NETWORKS = ["ring", "torus", "hypercube"]
SHOWN_DEVICES, SHOWN_WIDTH = 1024, 65_536
ORDER, MANY, FEW = 10, 1024, 64
STYLES = {
    "dense by outputs": Look("s", COLORS.black),
    "dense in blocks": Look("D", COLORS.red),
    "Clos": Look("o", COLORS.blue),
    "butterfly": Look("^", COLORS.green),
    "low rank": Look("v", COLORS.amber),
}


class Machine(NamedTuple):
    """A device and its links, in bytes and seconds; `links` is None where switches join all."""

    peak: float
    memory: float
    moved: float
    latency: float
    link: float
    links: int | None


MACHINES = {
    "H100": Machine(989.4e12, 80e9, 3.35e12, 2.7e-6, 50e9, None),
    "TPU v4": Machine(275e12, 32 * 2**30, 1.2e12, 1e-6, 50e9, 6),
}


def cases() -> list[tuple[int, int]]:
    """Widths and devices, of which each has a neuron at least."""
    return [(n, p) for n, p in product(WIDTHS, DEVICES) if p <= n]


def measure(case: tuple[int, int]) -> list[dict[str, Any]]:
    """Bytes and times of all wirings on all networks of devices, for a prediction and a step."""
    rows = []
    for wiring, network, training in product(STYLES, NETWORKS, (False, True)):
        sent = exchanged(wiring, network, *case, training=training)
        does = share(wiring, *case, training=training)
        row = dict(zip(("width", "devices"), case, strict=True))
        row |= {"wiring": wiring, "network": network, "work": "step" if training else "prediction"}
        row |= {"messages": sent.messages, "bytes": sent.bytes, "memory": does.memory}
        rows.append(row | {name: seconds(does, sent, network, case[1], name) for name in MACHINES})
    return rows


def exchanged(
    wiring: str, network: str, n: int, p: int, *, training: bool = False
) -> costs.Exchange:
    """What a device sends, or where devices pass on for others, what goes over a link."""
    size, side = BATCH * ITEMSIZE, isqrt(p)
    rank = low_rank(n)
    known: dict[str, Any] = {"batch": BATCH, "itemsize": ITEMSIZE, "training": training}
    match wiring, network:
        case "dense by outputs", "ring":
            return costs.sent_by_dense([n, n], devices=p, **known)
        case "dense in blocks", "torus":
            return costs.sent_by_dense_blocks(n, n, sides=(side, side), **known)
        case "Clos", "torus":
            return costs.sent_by_clos(n, *[isqrt(n)] * 3, sides=(side, side), **known)
        case "butterfly", "hypercube":
            return costs.sent_by_butterfly(n, n.bit_length() - 1, devices=p, **known)
        case "low rank", _:
            return costs.sent_by_low_rank(rank, sides=sides(network, p), **known)
    moves = carried(wiring, network, n, p, n // p * size)
    return moves + moves if training else moves


def carried(wiring: str, network: str, n: int, p: int, block: int) -> costs.Exchange:
    """A prediction where the wiring is not at home."""
    if wiring == "butterfly":  # over strides 1, 2, 4, ... of each axis, a block along each link
        around = sum(side - 1 for side in sides(network, p))
        return costs.Exchange(around, around * block)
    if wiring == "dense by outputs":
        return costs.all_gather(sides(network, p), block)
    if network == "ring":  # rows are pieces of it, columns have their devices that far apart
        columns = max(1, p // isqrt(n)) if wiring == "Clos" else 1
        rows = p // columns
        passes = 2 if wiring == "Clos" else 1
        hops = passes * (columns - 1) + columns * (rows - 1)
        return costs.Exchange(hops, hops * block)
    row = costs.all_gather(sides(network, isqrt(p)), block)
    return row + row + row if wiring == "Clos" else row + row


def sides(network: str, p: int) -> list[int]:
    """The axes of a network of devices, all of them tori."""
    return {"ring": [p], "torus": [isqrt(p)] * 2, "hypercube": [2] * (p.bit_length() - 1)}[network]


def low_rank(n: int) -> int:
    """The rank that has as many edges as the Clos network."""
    return 3 * isqrt(n) // 2


def edges(wiring: str, n: int) -> int:
    """Weights of a layer."""
    sparse = {"Clos": 3 * n * isqrt(n), "butterfly": 2 * n * (n.bit_length() - 1)}
    return (sparse | {"low rank": 2 * n * low_rank(n)}).get(wiring, n * n)


def share(wiring: str, n: int, p: int, *, training: bool) -> costs.Work:
    """A device's part of the work, of the layers as it sees them: its inputs and its outputs."""
    side, own = isqrt(p), n // p
    ends = {
        "dense by outputs": [(n, own)],
        "dense in blocks": [(n // side, n // side)],
        "Clos": [(n // side, own)] * 3,
        "butterfly": [(2 * own, own)] * (n.bit_length() - 1),
        "low rank": [(own, low_rank(n)), (low_rank(n), own)],
    }[wiring]
    weights = edges(wiring, n) // p // len(ends)
    each = [
        costs.work(
            costs.LayerSizes(pair, [weights]), batch=BATCH, training=training, itemsize=ITEMSIZE
        )
        for pair in ends
    ]
    kept = [part.memory - ITEMSIZE * weights for part in each]  # a prediction's, beside weights
    memory = sum(part.memory for part in each)
    return costs.Work(
        sum(part.operations for part in each),
        memory if training else memory - sum(kept) + max(kept),
        sum(part.moved for part in each),
    )


def seconds(
    does: costs.Work, sent: costs.Exchange, network: str, p: int, machine: str
) -> float | None:
    """Time at least; None where a device has too little memory or too few links."""
    device = MACHINES[machine]
    wanted = {"ring": 2, "torus": 4, "hypercube": p.bit_length() - 1}[network]
    if does.memory > device.memory or (device.links is not None and wanted > device.links):
        return None
    computing = costs.roofline(does, peak=device.peak, bandwidth=device.moved)
    sending = sent.time(costs.Link(device.latency, device.link))
    return significant(max(computing, sending))


def summarize(found: dict[tuple[int, int], list[dict[str, Any]]]) -> dict[str, Any]:
    """Where wirings are at home, at which width Clos passes dense, verdicts, and all numbers."""
    rows = [row for part in found.values() for row in part]
    steps = [row for row in rows if row["work"] == "step"]
    table = {(row["wiring"], row["network"], row["width"], row["devices"]): row for row in steps}
    return {
        "claims": claims(table),
        "homes": {wiring: home(wiring, table) for wiring in STYLES},
        "crossings": [crossing(p, table) for p in DEVICES],
        "fastest": {
            machine: {network: fastest(machine, network, steps) for network in NETWORKS}
            for machine in MACHINES
        },
        "rows": rows,
    }


Table = dict[tuple[str, str, int, int], dict[str, Any]]  # by wiring, network, width and devices


def home(wiring: str, table: Table) -> dict[str, Any]:
    """The simplest network with the fewest bytes over a link at all sizes, and one size in full."""
    sizes = {place[2:] for place in table}
    least = {
        size: min(table[wiring, network, *size]["bytes"] for network in NETWORKS) for size in sizes
    }
    fits = (
        network
        for network in NETWORKS
        if all(table[wiring, network, *size]["bytes"] == least[size] for size in sizes)
    )
    width = SHOWN_WIDTH if SHOWN_WIDTH in WIDTHS else WIDTHS[-1]
    p = SHOWN_DEVICES if SHOWN_DEVICES in DEVICES else DEVICES[-1]
    shown = {network: table[wiring, network, width, p] for network in NETWORKS}
    return {"home": next(fits), "edges": edges(wiring, width)} | shown


def crossing(p: int, table: Table) -> dict[str, Any]:
    """From which width on a step of Clos on a torus takes less time than dense, by machine."""
    rivals = {"outputs": ("dense by outputs", "ring"), "blocks": ("dense in blocks", "torus")}
    found: dict[str, Any] = {"devices": p}
    for machine in MACHINES:
        found[machine] = {}
        for name, rival in rivals.items():
            wins = {n: wins_at(n, p, rival, machine, table) for n in WIDTHS if p <= n}
            passed = [n for n in wins if all(won for m, won in wins.items() if m >= n)]
            found[machine][name] = min(passed, default=None)
    return found


def wins_at(n: int, p: int, rival: tuple[str, str], machine: str, table: Table) -> bool:
    """Whether Clos fits, and dense does not or takes longer."""
    ours, theirs = table["Clos", "torus", n, p][machine], table[*rival, n, p][machine]
    return ours is not None and (theirs is None or ours < theirs)


def fastest(machine: str, network: str, steps: list[dict[str, Any]]) -> dict[str, int]:
    """At how many sizes which wiring takes the least time."""
    best: dict[tuple[int, int], dict[str, Any]] = {}
    for row in steps:
        size = row["width"], row["devices"]
        if row["network"] == network and row[machine] is not None:
            best[size] = min(best.get(size, row), row, key=lambda one: one[machine])
    winners = [row["wiring"] for row in best.values()]
    return {wiring: winners.count(wiring) for wiring in STYLES}


def claims(table: Table) -> dict[str, str]:
    """Verdicts on the paper's claims."""
    sizes = sorted({place[2:] for place in table})
    smaller = max(edges("dense by outputs", n) / edges("Clos", n) for n, _ in sizes)
    fewer = {
        name: [
            table[*rival, n, p]["messages"] / table["Clos", "torus", n, p]["messages"]
            for n, p in sizes
            if p >= min(MANY, DEVICES[-1])
        ]
        for name, rival in {
            "ring": ("dense by outputs", "ring"),
            "blocks": ("dense in blocks", "torus"),
        }.items()
    }
    ring, blocks = fewer["ring"], fewer["blocks"]
    hops = all(single_hops(p) for p in DEVICES if p <= FEW)
    faster = [
        won for n, p in sizes for machine in MACHINES if (won := speedup(n, p, machine, table))
    ]
    return {
        "a. layers an order of magnitude smaller": verdict(smaller >= ORDER, smaller >= ORDER / 2),
        "b. an order of magnitude fewer messages than dense on a ring": verdict(
            min(ring) >= ORDER, max(ring) >= ORDER
        ),
        "c. an order of magnitude fewer than dense in blocks on a torus": verdict(
            min(blocks) >= ORDER, min(blocks) > 1
        ),
        "d. single hops": verdict(hops and home("Clos", table)["home"] == "torus", hops),
        "e. faster training on a torus": verdict(min(faster) > 1, max(faster) > 1),
    }


def speedup(n: int, p: int, machine: str, table: Table) -> float | None:
    """How many times faster Clos is than the faster dense layer on a torus; None without one."""
    ours = table["Clos", "torus", n, p][machine]
    dense = [table[name, "torus", n, p][machine] for name in STYLES if name.startswith("dense")]
    fitting = [time for time in dense if time is not None]
    return min(fitting) / ours if ours and fitting else None


def single_hops(p: int) -> bool:
    """Whether each move on a torus is to a neighbor, in as many steps as there are messages."""
    side = isqrt(p)
    moves = devices.router_table(side, side)
    apart = [sum((b - a) % side for a, b in zip(m.sender, m.receiver, strict=True)) for m in moves]
    messages = exchanged("Clos", "torus", WIDTHS[-1], p).messages
    return set(apart) == {1} and len({move.step for move in moves}) == messages


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Times at home by devices, and times on a torus by width."""
    left, right = figure.subplots(1, 2)
    steps = [row for row in results["rows"] if row["work"] == "step"]
    width = results["homes"]["Clos"]["torus"]["width"]
    p = results["homes"]["Clos"]["torus"]["devices"]
    for wiring, look in STYLES.items():
        at = results["homes"][wiring]["home"]
        rows = [row for row in steps if row["wiring"] == wiring]
        by_devices = [r for r in rows if r["network"] == at and r["width"] == width]
        by_width = [r for r in rows if r["network"] == "torus" and r["devices"] == p]
        curve(left, by_devices, "devices", "H100", look, f"{wiring}, {at}")
        curve(right, by_width, "width", "TPU v4", look, wiring)
    left.set_title(f"H100, {width:,} neurons, each wiring at home", fontsize="medium")
    left.set_xlabel("devices")
    right.set_title(f"TPU v4, torus of {p:,}", fontsize="medium")
    right.set_xlabel("neurons")
    left.set_ylabel("time of a training step (ms)")
    for ax in (left, right):
        ax.set(xscale="log", yscale="log")
        ax.grid(color="0.92")
        ax.legend(frameon=False, fontsize="small")


def curve(
    ax: Axes, rows: list[dict[str, Any]], x: str, machine: str, look: Look, label: str
) -> None:
    """Milliseconds where there is a time; the others have too little memory."""
    there = [row for row in rows if row[machine] is not None]
    ax.plot(
        [row[x] for row in there],
        [1e3 * row[machine] for row in there],
        color=look.color,
        marker=look.marker,
        ls=look.line,
        ms=5,
        label=label,
    )


def show(results: dict[str, Any]) -> None:
    """All but the rows, of which there are too many."""
    for name, part in results.items():
        if name != "rows":
            kit_show({name: part})


STUDY = Study(
    __name__, quick={"DEVICES": [4, 1024], "WIDTHS": [1024, 4096]}, size=(9.5, 4), alone=True
)

if __name__ == "__main__":
    STUDY.main()
