"""What `rank` returns: a list of rows that shows itself as a table."""

from typing import Any, SupportsIndex, overload

from topokit._docstrings import meanings
from topokit._escapes import SHOWN
from topokit._html import table
from topokit._names import short_names
from topokit._records import readable
from topokit._text_table import SHELL, text_table
from topokit.ranking._rows import Row

# Heading, field and digits of each column behind the name: short, to fit 80 characters.
COLUMNS = (
    ("edges", "trainable", 0),
    ("depth", "depth", 0),
    ("loss", "loss", 3),
    ("+-", "loss_error", 2),
    ("pred.", "predicted_loss", 2),
    ("free", "degrees_of_freedom", 0),
    ("L0", "satisfiable", 0),
    ("sum K", "control_total", 5),
    ("dev K", "control_deviation", 2),
)

# Rows that are shown of a longer ranking.
MOST = 60


class Ranking(list[Row]):
    """The rows of a ranking, best first: a list, which prints as a table, in notebooks too.

    A slice of it is one too, and `pandas.DataFrame` takes it as any list of rows.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> rows = tk.rank(topologies, targets=2, solver=quick)
        >>> print(str(rows).splitlines()[0])
          topology edges depth  loss    +- pred. free L0 sum K dev K
        >>> [row.name for row in rows[:1]]
        ['rank 2']

    See Also:
        `topokit.rank`, which returns it; `Row`, one of them.
    """

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Row: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Ranking": ...
    def __getitem__(self, index: Any, /) -> Any:
        found = super().__getitem__(index)
        return Ranking(found) if isinstance(index, slice) else found

    def texts(self) -> tuple[list[str], list[list[str]]]:
        """The heading of the table, and its rows: the place, the name, cut if long, and numbers."""
        heading = ["", "topology", *(title for title, _, _ in COLUMNS)]
        names = short_names((row.name for row in self), SHOWN)
        rows = [
            [str(place), names[row.name]]
            + [readable(getattr(row, field), digits) for _, field, digits in COLUMNS]
            for place, row in enumerate(self, start=1)
        ]
        return heading, rows

    def __repr__(self) -> str:
        heading, rows = self.texts()
        lines = text_table(heading, rows[:MOST], width=SHELL, keys=2, gap=1)
        return "\n".join([*(line.text for line in lines), *_rest(len(rows))])

    def _repr_html_(self) -> str:
        """The table for notebooks, with what a column means under its heading's pointer."""
        heading, rows = self.texts()
        said = meanings(Row)
        tips = ["", "", *(said[field] for _, field, _ in COLUMNS)]
        return table(rows[:MOST], heading, tips) + "".join(_rest(len(rows)))


def _rest(count: int) -> list[str]:
    return [f"... and {count - MOST} more"] if count > MOST else []
