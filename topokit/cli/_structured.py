"""Structure that a network gets while it learns: families of groups by name, and what was found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

import topokit as tk
from topokit._records import readable
from topokit.cli._console import print_table, print_words
from topokit.cli._integers import quoted

FAMILIES = ("filters", "channels", "shapes", "positions", "layers")
NEEDED = {
    "filters": "a layer before the last",
    "layers": "a model with shortcuts around layers, such as resnet20",
}
HEADING = "seed", "layer", "groups", "dead", "of"
CAPTION = "dead: groups whose weights are all 0, out of so many in the layer"


class Families(click.ParamType):
    """Names of families of groups with commas between them, each once."""

    name = "families"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The names, or click's way of saying that they are none."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in value.split(","))
        if set(names) - {*FAMILIES}:
            told = ", ".join(FAMILIES)
            self.fail(f"{quoted(value)} is no list of families out of {told}", param, ctx)
        if len({*names}) < len(names):
            self.fail(f"{quoted(value)} names a family twice", param, ctx)
        return names


class Lasso:
    """The penalty on groups of families by name, for models that differ in weights alone.

    Attributes:
        names: The families, with commas between them.
        strength: Weight of the penalty.
    """

    def __init__(self, names: str, strength: float) -> None:
        """Keep them."""
        self.names, self.strength, self._made = names, strength, None

    def __call__(self, model: Any, rate: Callable[..., Any]) -> Any:
        """The last part of an optimizer: one object, for which a step is compiled once."""
        if self._made is None:
            groups = self.groups(model)
            self._made = tk.networks.group_lasso(
                model, self.strength, learning_rate=rate, groups=groups
            )
        return self._made

    def groups(self, model: Any) -> list[Any]:
        """The families in a model.

        Raises:
            ValueError: If one has no groups there.
        """
        kernels, names = [*tk.networks.kernels(model)], self.names.split(",")
        found = {name: _family(name, kernels) for name in names}
        for name, family in found.items():
            _check_there(name, family, model)
        return [*found.values()]

    def found(self, training: Any, data: Any) -> tuple[dict[str, Any], Any]:
        """What a training has brought to 0, and the smaller model, None where it is refused."""
        model, state, networks = training.model, training.state, tk.networks
        dead = networks.dead_groups(model, self.groups(model))
        try:
            small = networks.shrink(model, state)
        except ValueError as error:
            return {"dead": dead, "refused": str(error)}, None
        small, state = small if state is not None else (small, None)

        def judged(x: Any, y: Any) -> Any:
            return networks.evaluate(small, x, y, state=state) if len(x) else None

        return {
            "dead": dead,
            "parameters": networks.n_parameters(small),
            "validation": judged(data.validation_x, data.validation_y),
            "test": judged(data.test_x, data.test_y),
        }, small


def _check_there(name: str, family: Any, model: Any) -> None:
    """Refuse a family of which the model has no group, by the option that named it."""
    try:
        family(model)
    except ValueError as error:
        why = f"it needs {NEEDED[name]}" if family.layers == () else error
        raise ValueError(f"--structured {name}: {why}; leave {name} out") from None


def _family(name: str, kernels: Sequence[str]) -> Any:
    """A family in the layers where its groups can leave."""
    networks = tk.networks
    match name:
        case "filters":  # those of the last layer are the classes
            return networks.filter_groups(kernels[:-1], bias=True)
        case "channels":
            return networks.channel_groups()
        case "shapes":
            return networks.shape_groups()
        case "positions":
            return networks.position_groups()
        case _:
            return networks.layer_groups([kernel for kernel in kernels if ".body" in kernel])


def print_found(runs: Sequence[Mapping[str, Any]]) -> None:
    """What was found, layer by layer and as a whole."""
    rows = [
        [*map(readable, (run["seed"], each.layer, each.what, each.dead, each.groups))]
        for run in runs
        for each in run["structure"]["dead"]
    ]
    print_table(HEADING, rows, keys=3, caption=CAPTION)
    print_words(*(f"seed {run['seed']}: {_change(run)}." for run in runs))


def _change(run: Mapping[str, Any]) -> str:
    small = run["structure"]
    if "refused" in small:
        return f"not made smaller: {small['refused']}"
    told = f"{run['parameters']:,} parameters became {small['parameters']:,}"
    parts = [("test", run["test"].accuracy, small["test"].accuracy)]
    if small["validation"] is not None:
        before = run["epochs"][-1].validation_accuracy
        parts.insert(0, ("validation", before, small["validation"].accuracy))
    for part, before, after in parts:
        told += f"; {part} error {100 * (1 - before):.4g} % before, {100 * (1 - after):.4g} % after"
    return told
