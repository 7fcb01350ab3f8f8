"""The study of designs: what stands beside one is of its size, and the guide says its numbers."""

import json
import re
from pathlib import Path

import topokit as tk
from analyses import designed
from analyses.kit import changed

ROOT = Path(__file__).parents[1]
LAYER = (16, 16, 120, 2, 20)


def test_random_members_are_near_the_budget_of_many_families_and_none_comes_twice():
    with changed(designed, {"DRAWS": 120}):
        found = designed.drawn.__wrapped__(LAYER)
    assert len(found) == 120
    names = [(member.family, member.skip, str(member.arguments)) for member, _ in found]
    assert len({*names}) == len(names)
    assert len({family for family, *_ in names}) > 8
    for member, layers in found:
        assert member.trainable >= designed.LEAST * LAYER[2]
        assert layers.n_trainable <= LAYER[2]
        assert layers.depth <= designed.DEEPEST


def test_hand_made_members_are_as_large_as_the_budget_allows():
    for name in designed.FAMILIES:
        found = designed.hand_made(LAYER, name)
        assert len({member.skip for member, _ in found}) == len(found)
        for member, layers in found:
            known = designed.listed(LAYER, name, skip=member.skip)
            sizes = [m.trainable for m in known if tk.designs.usual(m) and m.trainable <= LAYER[2]]
            assert layers.n_trainable <= LAYER[2]
            assert member.trainable == max(sizes) or member.family == "erdos_renyi"


def test_the_guide_has_the_numbers_of_the_study():
    page = (ROOT / "docs" / "choosing-a-topology.md").read_text()
    rows = re.findall(r"^\| (\d+) × (\d+) \| ([\d,]+) \| (.+) \|$", page, re.MULTILINE)
    kept = json.loads((ROOT / "analyses" / "designed.json").read_text())
    assert len(rows) == len(kept["compared"])
    for n_in, n_out, edges, cells in rows:
        row = kept["compared"][f"{n_in} x {n_out}, {edges} edges"]
        fields = ("designed", "hand_made", "structured", "random", "by_prediction", "floor")
        texts = [f"{row[field]:.3f}".lstrip("0") for field in fields]
        assert cells.split(" | ") == [*texts, f"{row['seconds']:.0f}"]
