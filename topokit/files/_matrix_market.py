"""Topologies as adjacency matrices in the Matrix Market form (`.mtx`): entry (i, j) joins i to j.

The matrix is that of a directed acyclic graph, which is brought into layers; its nodes are called
by the numbers of their rows, from 1. Entries of 0 are no edges. Lines are counted and checked here,
as quick readers follow damaged ones out of bounds.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import networkx as nx

from topokit._escapes import shown
from topokit.files._checked_graphs import DIGITS, in_layers, natural, real, whole_lines

FORMS = ("coordinate", "array")
FIELDS = ("real", "double", "integer", "pattern")
SYMMETRIES = ("symmetric", "skew-symmetric", "hermitian")
MOST_ZEROS = 2**21

Lines = Iterator[tuple[int, list[str]]]


class Header(NamedTuple):
    """What the first line says, and the rows and entries that the line of sizes announces."""

    form: str
    field: str
    rows: int
    entries: int


def read_matrix_market(path: Path) -> nx.DiGraph:
    """The graph of a file; an error names the line."""
    lines = _lines(whole_lines(path, "%"))
    header = _header(lines)
    dag, found, zeros = nx.DiGraph(), 0, 0
    for found, (number, words) in enumerate(lines, 1):
        if found > header.entries:
            raise ValueError(f"line {number}: the file goes on after {header.entries} entries")
        row, column, value = _entry(f"line {number}", words, header, found - 1)
        if dag.has_edge(row, column):
            raise ValueError(f"line {number}: entry ({row}, {column}) is given again")
        zeros += not value
        if zeros > MOST_ZEROS:
            raise ValueError(
                f"line {number}: there are over {MOST_ZEROS:,} entries of 0, no edges; leave them "
                "out, in the coordinate form"
            )
        if value:
            dag.add_edge(row, column, **({} if header.field == "pattern" else {"weight": value}))
    if found < header.entries:
        raise ValueError(f"the file ends after {found} of {header.entries} entries")
    alone = next((row for row in range(1, header.rows + 1) if row not in dag), None)
    if alone is not None:
        raise ValueError(f"row and column {alone} are empty: a node without edges; leave it out")
    ordered = nx.DiGraph()
    ordered.add_nodes_from(range(1, header.rows + 1))
    ordered.add_edges_from(dag.edges(data=True))
    return in_layers(ordered, path)


def _lines(whole: Iterable[tuple[int, str]]) -> Lines:
    """The number and the words of each line that is no comment; the first one is the header."""
    for number, line in whole:
        words = line.split()
        if words and (number == 1 or not line.lstrip().startswith("%")):
            yield number, words


def _header(lines: Lines) -> Header:
    number, words = next(lines, (0, []))
    known = [word.lower() for word in words]
    if number != 1 or known[:2] != ["%%matrixmarket", "matrix"] or len(known) != 5:
        raise ValueError("line 1 must be '%%MatrixMarket matrix FORM FIELD general'")
    form, field, symmetry = known[2:]
    if form not in FORMS or field not in FIELDS or (form, field) == ("array", "pattern"):
        raise ValueError(f"line 1: a matrix of {form} {field} is none of real numbers")
    if symmetry != "general":
        raise ValueError(
            f"line 1: a matrix must be general; a {symmetry} one joins nodes both ways, in a cycle"
        )
    number, words = next(lines, (2, []))
    if len(words) != (3 if form == "coordinate" else 2) or not all(map(DIGITS.fullmatch, words)):
        raise ValueError(f"line {number} must hold the sizes of the matrix")
    sizes = [natural(word) for word in words]
    rows, columns = sizes[:2]
    if rows != columns:
        raise ValueError(
            f"line {number}: an adjacency matrix is square; this one is {rows} x {columns}. If it "
            "is the matrix of one layer, topokit.from_weights([scipy.io.mmread(path)]) takes it"
        )
    return Header(form, field, rows, sizes[2] if form == "coordinate" else rows * columns)


def _entry(place: str, words: list[str], header: Header, before: int) -> tuple[int, int, float]:
    """Row, column and value; an array has its values by column."""
    wanted = 1 if header.form == "array" else 2 if header.field == "pattern" else 3
    try:
        if len(words) != wanted:
            raise ValueError
        value = 1.0 if header.field == "pattern" else real(words[-1])
        if header.form == "array":
            column, row = divmod(before, header.rows)
            row, column = row + 1, column + 1
        else:
            row, column = natural(words[0]), natural(words[1])
    except ValueError:
        raise ValueError(
            f"{place}: expected {wanted} finite numbers; found '{shown(' '.join(words), 60)}'"
        ) from None
    if not (1 <= row <= header.rows and 1 <= column <= header.rows):
        raise ValueError(
            f"{place}: expected a row and a column from 1 to {header.rows}; found "
            f"'{shown(' '.join(words), 60)}'"
        )
    return row, column, value
