"""GraphML, event by event: all that a file says is understood, or the file is refused.

Other readers pass over what they do not know, such as ports and a second graph, keep the last of
two values of one name, and follow the entities of a document type, which may unfold to gigabytes.
"""

import re
from collections.abc import Callable
from math import inf, isinf, nan
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from topokit._escapes import shown
from topokit._regular_files import whole_bytes
from topokit.files._checked_graphs import REAL

NAMESPACE = "http://graphml.graphdrawing.org/xmlns "
QUOTED = 60
# Elements by those that they may lie in, and the attributes that they must and may have.
WITHIN = {
    "": {"graphml"},
    "graphml": {"key", "graph", "desc"},
    "key": {"default", "desc"},
    "graph": {"node", "edge", "data", "desc"},
    "node": {"data", "desc"},
    "edge": {"data", "desc"},
}
NEEDED = {
    "key": {"id"},
    "graph": {"edgedefault"},
    "node": {"id"},
    "edge": {"source", "target"},
    "data": {"key"},
}
KNOWN = {"key": {"for", "attr.name", "attr.type"}, "graph": {"id"}, "edge": {"id", "directed"}}
DOMAINS = ("graph", "node", "edge")
TEXTS = ("data", "default", "desc")
INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
BEYOND = {"nan": nan, "inf": inf, "-inf": -inf, "infinity": inf, "-infinity": -inf}

Data = dict[str, Any]


class GraphmlKey(NamedTuple):
    """An attribute that elements may have: of which ones, its name and its type."""

    domain: str
    name: str
    kind: str


class GraphmlContent(NamedTuple):
    """What a file says: attributes of the graph, of nodes and edges by names, and defaults."""

    graph: Data
    nodes: dict[str, Data]
    edges: dict[tuple[str, str], Data]
    defaults: dict[str, Data]


def parse_graphml(path: Path) -> GraphmlContent:
    """The contents of a file.

    Raises:
        ValueError: If it is no XML, or says anything that is not understood; with the line.
        OSError: If it cannot be read.
    """
    events = _Events()
    # In one piece: the parser begins a value anew with each piece that does not end it.
    events.parser.Parse(whole_bytes(path), True)
    if not events.directed:
        raise ValueError("it holds no graph")
    for ends in events.found.edges:
        for name in ends:
            if name not in events.found.nodes:
                raise ValueError(
                    f"an edge names '{shown(name, QUOTED)}', which is none of the nodes"
                )
    return events.found


class _Events:
    """What has been found up to the event that the parser tells of."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.found = GraphmlContent({}, {}, {}, {domain: {} for domain in DOMAINS})
        self.namespace = ""
        self.directed = False
        self.keys: dict[str, GraphmlKey] = {}
        self.open: list[str] = [""]
        self.data: list[Data] = [self.found.graph]  # of the graph, and of the open node or edge
        self.key: str = ""
        self.text: list[str] = []

    def refusal(self, why: str) -> ValueError:
        """An error of the line that the parser is in."""
        return ValueError(f"line {self.parser.CurrentLineNumber}: {why}")

    def doctype(self, *_: Any) -> None:
        """Entities could unfold without end, and nothing of a topology needs them."""
        raise self.refusal("it declares a document type, whose entities are not read; take it out")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if not self.open[-1]:
            self.namespace = NAMESPACE if tag.startswith(NAMESPACE) else ""
        name = tag[len(self.namespace) :] if tag.startswith(self.namespace) else tag
        if name not in WITHIN.get(self.open[-1], ()):
            inside = f"in <{self.open[-1]}>" if self.open[-1] else "as the whole"
            raise self.refusal(f"<{shown(name, QUOTED)}> {inside} is not understood")
        own = {k: v for k, v in attributes.items() if " " not in k and not k.startswith("parse.")}
        missing = NEEDED.get(name, set()) - own.keys()
        surplus = own.keys() - NEEDED.get(name, set()) - KNOWN.get(name, set())
        if missing or surplus:
            verb, which = ("lacks", missing) if missing else ("has", surplus)
            raise self.refusal(f"<{name}> {verb} the attribute {shown(min(which), QUOTED)}")
        self.open.append(name)
        self.text = []
        begin: Callable[..., None] | None = getattr(self, f"start_{name}", None)
        if begin is not None:
            begin(own)

    def start_key(self, own: dict[str, str]) -> None:
        """An attribute is declared."""
        self.key, domain = own["id"], own.get("for", "all")
        if self.key in self.keys or domain not in (*DOMAINS, "all"):
            raise self.refusal(f"the key {shown(own, QUOTED)} is declared twice, or for nothing")
        kind = own.get("attr.type", "string")
        if kind not in CONVERSIONS:
            raise self.refusal(f"the type {shown(kind, QUOTED)} is not understood")
        self.keys[self.key] = GraphmlKey(domain, own.get("attr.name", self.key), kind)

    def start_graph(self, own: dict[str, str]) -> None:
        """The one graph."""
        if self.directed or own["edgedefault"] != "directed":
            raise self.refusal("expected one directed graph")
        self.directed = True

    def start_node(self, own: dict[str, str]) -> None:
        """A node."""
        if own["id"] in self.found.nodes:
            raise self.refusal(f"the node '{shown(own['id'], QUOTED)}' is there already")
        self.data.append(self.found.nodes.setdefault(own["id"], {}))

    def start_edge(self, own: dict[str, str]) -> None:
        """An edge."""
        ends = own["source"], own["target"]
        if own.get("directed", "true") != "true":
            raise self.refusal("an edge is undirected")
        if ends in self.found.edges:
            said = f"{shown(ends[0], QUOTED)} -> {shown(ends[1], QUOTED)}"
            raise self.refusal(f"a second edge {said}; there may be no two edges of the same ends")
        self.data.append(self.found.edges.setdefault(ends, {}))

    def start_data(self, own: dict[str, str]) -> None:
        """An attribute of the element around."""
        self.key, domain = own["key"], self.open[-2]
        key = self.keys.get(self.key)
        if key is None or key.domain not in (domain, "all") or key.name in self.data[-1]:
            raise self.refusal(
                f"the key '{shown(self.key, QUOTED)}' is not declared for a {domain}, or given "
                "twice"
            )

    def characters(self, text: str) -> None:
        """Text, which has a meaning within some elements alone."""
        if self.open[-1] in TEXTS:
            self.text.append(text)
        elif text.strip():
            raise self.refusal(f"'{shown(text.strip(), QUOTED)}' stands outside an attribute")

    def end(self, _: str) -> None:
        """An element ends."""
        name = self.open.pop()
        if name in ("node", "edge"):
            self.data.pop()
        elif name == "data":
            self.data[-1][self.keys[self.key].name] = self.value()
        elif name == "default":
            domain = self.keys[self.key].domain
            for each in DOMAINS if domain == "all" else (domain,):
                self.found.defaults[each][self.keys[self.key].name] = self.value()

    def value(self) -> Any:
        """The value of the text since the element began."""
        kind, text = self.keys[self.key].kind, "".join(self.text)
        try:
            return CONVERSIONS[kind](text)
        except (ValueError, KeyError):
            raise self.refusal(f"'{shown(text, QUOTED)}' is no {kind}") from None


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text.strip()):
        raise ValueError
    return int(text)


def _double(text: str) -> float:
    word = text.strip()
    if word.lower() in BEYOND:
        return BEYOND[word.lower()]
    if not REAL.fullmatch(word) or isinf(float(word)):
        raise ValueError
    return float(word)


CONVERSIONS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("int", "long", "integer"), _integer),
    **dict.fromkeys(("float", "double"), _double),
    "boolean": lambda text: BOOLEANS[text.strip().lower()],
    "string": str,
}
