"""What a compiled program sends: its collectives, read from the text of the program.

A program over several devices is one text, which each of them runs. A collective in it is an
instruction whose operands are what a device holds of it; who takes part is said in groups, or pair
by pair. How often it runs follows from the loops around it, whose numbers of turns the text says.

What a device of `p` sends is counted as rings of neighbors send it, which is the least that can be
sent: `(p - 1) / p` of what is reduced and scattered, or exchanged all to all, twice that of what is
reduced for all, and `p - 1` times what is gathered.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from topokit._records import Record, brief

# From the number of devices of a group to what each sends, in units of what it holds.
RING: dict[str, Callable[[int], float]] = {
    "all-gather": lambda p: p - 1,
    "all-reduce": lambda p: 2 * (p - 1) / p,
    "all-to-all": lambda p: (p - 1) / p,
    "collective-broadcast": lambda _: 1,
    "collective-permute": lambda _: 1,
    "ragged-all-to-all": lambda p: (p - 1) / p,
    "reduce-scatter": lambda p: (p - 1) / p,
}

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.+?) ([a-z][\w-]*)\((.*)$")
SHAPE = re.compile(r"\b([a-z]\w*)\[([\d,<=]*)\]")
OPERAND = re.compile(r"%([\w.-]+)")
CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation"
    r"|branch_computations|called_computations)=(?:\{([^}]*)\}|%?([\w.-]+))"
)
TURNS = re.compile(r'"?known_trip_count"?:\{"n":"(\d+)"\}')
GROUP = re.compile(r"replica_groups=\{\{([\d,]*)\}")
IOTA = re.compile(r"replica_groups=\[\d+,(\d+)\]")
PAIR = re.compile(r"\{(\d+),(\d+)\}")
PAIRS = re.compile(r"source_target_pairs=\{((?:\{\d+,\d+\},?)*)\}")
DEVICES = re.compile(r"(?:replica_count|num_partitions)=(\d+)")


class Collective(Record):
    """An instruction by which devices exchange values.

    Attributes:
        kind: What it does, as XLA calls it, such as "all-reduce" or "collective-permute".
        types: The types of what is sent, such as "f32"; of several, with commas between.
        held: Bytes that a device gives into it.
        devices: How many devices take part in one group, each sending to others of it.
        pairs: Who sends to whom, for "collective-permute"; else empty.
        times: How often it runs.
        sent: Bytes that a device sends in all, as rings of neighbors send them.

    Examples:
        >>> from topokit import devices
        >>> program = '''
        ... ENTRY %main (x: f32[8]) -> f32[8] {
        ...   %x = f32[8] parameter(0)
        ...   ROOT %sum = f32[8] all-reduce(%x), replica_groups={{0,1,2,3}}, to_apply=%add
        ... }'''
        >>> (found,) = devices.traffic(program)
        >>> found.kind, found.held, found.devices, found.times, found.sent
        ('all-reduce', 32, 4, 1, 48.0)

    See Also:
        `traffic`, which returns them.
    """

    kind: str
    types: str
    held: int
    devices: int
    pairs: tuple[tuple[int, int], ...]
    times: int
    sent: float


class Instruction(NamedTuple):
    """A line of a program: its type, its operation, and what stands behind."""

    kind: str
    operation: str
    rest: str


Computations = dict[str, dict[str, Instruction]]


def traffic(program: Any) -> tuple[Collective, ...]:
    """What a compiled program sends between devices, read from the program itself.

    Args:
        program: What `jax.jit(f).lower(...).compile()` returns, or its text, `as_text()`. What
            only one branch of several sends is counted as if all were taken.

    Returns:
        The collectives in the order of the text, those in loops once, with how often they run.
        `sum(c.sent for c in traffic(program))` are the bytes that a device sends. On a CPU, XLA
        sends `bfloat16` as `float32`, which is then what is counted.

    Raises:
        ValueError: If it is no such program, or a loop around a collective does not say how often
            it runs: then compile one turn of it.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from topokit import devices
        >>> devices.traffic(jax.jit(jnp.sum).lower(jnp.ones(3)).compile())
        ()

    See Also:
        `make_mesh`, for the devices.
    """
    text = program.as_text() if isinstance(program, jax.stages.Compiled) else program
    if not isinstance(text, str):
        raise ValueError(
            "program must be compiled, jax.jit(f).lower(...).compile(), or the text of such a one; "
            f"given {brief(program)}"
        )
    computations, entry = _read(text)
    everyone = _everyone(text)
    found = _within(computations, entry, 1) if entry else ()
    return tuple(_collective(line, lines, times, everyone) for line, lines, times in found if times)


def _read(text: str) -> tuple[Computations, str]:
    """The instructions of each computation by their names, and which computation is run."""
    computations: Computations = {}
    entry = here = ""
    for line in text.splitlines():
        if begins := COMPUTATION.match(line):
            here = begins[2]
            computations[here] = {}
            entry = here if begins[1] else entry
        elif computations and (found := INSTRUCTION.match(line)):
            computations[here][found[1]] = Instruction(*found.groups()[1:])
    return computations, entry


def _within(
    computations: Computations, name: str, times: int
) -> Iterator[tuple[Instruction, dict[str, Instruction], int]]:
    """The collectives in a computation and in all that it calls, with how often they run."""
    lines = computations.get(name, {})
    for line in lines.values():
        if line.operation.removesuffix("-start") in RING:
            yield line, lines, times
            continue
        called = [
            inner
            for listed, one in CALLED.findall(line.rest)
            for inner in ([one] if one else OPERAND.findall(listed))
        ]
        within = [found for inner in called for found in _within(computations, inner, times)]
        turns = TURNS.search(line.rest)
        if within and line.operation == "while" and turns is None:
            raise ValueError(
                "the program has a loop with collectives that does not say how often it runs; "
                "compile one turn of it, or a fixed number of turns"
            )
        turned = int(turns[1]) if turns and line.operation == "while" else 1
        yield from ((inner, around, many * turned) for inner, around, many in within)


def _collective(
    line: Instruction, around: dict[str, Instruction], times: int, everyone: int
) -> Collective:
    kind = line.operation.removesuffix("-start")
    operands = line.rest.partition(")")[0]
    held = [around[name].kind for name in OPERAND.findall(operands)]
    shapes = [shape for text in held for shape in SHAPE.findall(text)]
    size = sum(_bytes(*shape) for shape in shapes)
    listed = PAIRS.search(line.rest)
    pairs = tuple((int(a), int(b)) for a, b in PAIR.findall(listed[1])) if listed else ()
    devices = len({d for pair in pairs for d in pair}) if pairs else _group(line.rest) or everyone
    types = ", ".join(dict.fromkeys(kind for kind, _ in shapes))
    sent = float(times * size * RING[kind](devices))
    return Collective(kind, types, size, devices, pairs, times, sent)


def _group(rest: str) -> int:
    """How many devices a group has; 0 if the line leaves it to all."""
    if iota := IOTA.search(rest):
        return int(iota[1])
    listed = GROUP.search(rest)
    return len(listed[1].split(",")) if listed and listed[1] else 0


def _everyone(text: str) -> int:
    """How many devices run a program."""
    first = text.partition("\n")[0]
    counts = [int(count) for count in DEVICES.findall(first)]
    return max(counts, default=1)


def _bytes(kind: str, sides: str) -> int:
    """Bytes of an array of a type such as `f32`, `pred` or `bf16`."""
    bits = 8 if kind == "pred" else int((re.findall(r"\d+", kind) or [0])[0])
    size = 1
    for side in sides.replace("<=", "").split(",") if sides else ():
        size *= int(side)
    return -(-size * bits // 8)
