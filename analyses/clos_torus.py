"""Who sends what when: a Clos network on a torus of devices.

Claim: as ClosNets say in section III, a prediction moves values east and south alone, a hop at a
time; gradients go back west and north. On the torus at the left each row is a ring of input and of
output routers, each column one of middle routers. At the right every step of all devices: which way
the blocks go, and in which phase. The table is that of `topokit.devices.router_table`, which tests
hold against compiled programs.

Writes `clos_torus.png` and, with its numbers, `clos_torus.json` beside this script; `--quick` keeps
nothing.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.kit import COLORS, Look, Study
from topokit import devices

ROWS, COLUMNS = 3, 4
STYLES = {
    "east": Look(">", COLORS.blue),
    "south": Look("v", COLORS.amber),
    "west": Look("<", COLORS.green),
    "north": Look("^", COLORS.red),
}
STYLE_REACH = 0.28  # from a device's middle to its edge


def cases() -> list[tuple[int, int]]:
    """One torus."""
    return [(ROWS, COLUMNS)]


def measure(case: tuple[int, int]) -> dict[str, Any]:
    """Of each step its phase, its direction, and how many devices send."""
    table = devices.router_table(*case, training=True)
    steps = {move.step: move for move in table}
    senders = {step: sum(move.step == step for move in table) for step in steps}
    return {
        "phase": [move.phase for move in steps.values()],
        "direction": [move.direction for move in steps.values()],
        "devices": list(senders.values()),
        "prediction": len({move.step for move in devices.router_table(*case)}),
    }


def summarize(found: dict[tuple[int, int], dict[str, Any]]) -> dict[str, Any]:
    """The one torus, with how many steps go which way, and whether the claim holds."""
    (steps,) = found.values()
    first = steps["prediction"]
    ways = steps["direction"]
    forth, back = set(ways[:first]), set(ways[first:])
    holds = forth == {"east", "south"} and back == {"west", "north"}
    return steps | {
        "steps": {way: ways.count(way) for way in STYLES},
        "claims": {"east and south, back west and north": "holds" if holds else "does not hold"},
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """The torus, and beside it the steps."""
    torus, steps = figure.subplots(1, 2, width_ratios=[1, 1.25])
    draw_torus(torus)
    draw_steps(steps, results)


def draw_torus(ax: Axes) -> None:
    """Devices with their links east and south; those around the ends as stubs."""
    for row in range(ROWS):
        for column in range(COLUMNS):
            for way, (right, down) in {"east": (1, 0), "south": (0, 1)}.items():
                begin = column + STYLE_REACH * right, row + STYLE_REACH * down
                end = column + (1 - STYLE_REACH) * right, row + (1 - STYLE_REACH) * down
                arrow = {"arrowstyle": "-|>", "color": STYLES[way].color, "lw": 1.6}
                ax.annotate("", end, begin, arrowprops=arrow)
            ax.text(
                *(column, row),
                f"{row},{column}",
                ha="center",
                va="center",
                bbox={"boxstyle": "round,pad=0.35", "fc": "0.93", "ec": "0.4"},
            )
    ax.set(xlim=(-0.5, COLUMNS - 0.2), ylim=(ROWS - 0.2, -0.5), aspect="equal")
    ax.set_xlabel("columns: rings of middle routers")
    ax.set_ylabel("rows: rings of input and output routers")
    ax.set_title("devices; links at the ends lead around", fontsize="medium")
    ax.set(xticks=range(COLUMNS), yticks=range(ROWS))
    ax.spines[:].set_visible(False)


def draw_steps(ax: Axes, results: dict[str, Any]) -> None:
    """A mark for each step, at the height of its phase."""
    heights = {"inputs": 0, "wires": 1, "outputs": 2}
    for way, look in STYLES.items():
        chosen = [step for step, found in enumerate(results["direction"]) if found == way]
        levels = [heights[results["phase"][step]] for step in chosen]
        ax.plot(chosen, levels, look.marker, color=look.color, ms=9, label=way)
    ax.axvline(results["prediction"] - 0.5, color="0.5", ls=":")
    ax.text(results["prediction"] - 0.8, 2.45, "values", ha="right")
    ax.text(results["prediction"] - 0.2, 2.45, "gradients")
    names = ["inputs\n(rows)", "wires\n(columns)", "outputs\n(rows)"]
    ax.set_yticks(list(heights.values()), names)
    ax.set(xlabel="step: all devices send a block to a neighbor", ylim=(-1.1, 2.8))
    ax.set_title("schedule", fontsize="medium")
    ax.legend(ncols=4, loc="lower center", frameon=False, fontsize="small", handletextpad=0.1)


STUDY = Study(__name__, quick={"ROWS": 2, "COLUMNS": 2}, size=(9.5, 3.6), alone=True)

if __name__ == "__main__":
    STUDY.main()
