"""Show what a call of a family returns: the graph, where its body is annotated with the arrays."""

from typing import Any

import griffe


class Families(griffe.Extension):
    """Rewrite the return annotation of functions decorated with `family`."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Called by griffe for every function that it has read."""
        if any(decorator.callable_path.endswith("family") for decorator in func.decorators):
            func.returns = "networkx.DiGraph"
