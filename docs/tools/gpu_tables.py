"""Tables of the page about GPUs, which `kept_tables` puts there."""

from typing import Any

from table_text import short, table

KEPT = "analyses/benchmarks/on_gpu.json"
PAGE = "on-a-gpu.md"
CHAMPION = "A100, champion of 2020"
ROUGH = "JAX dense, default precision"
LAYERS = ("loops", "JAX dense", ROUGH, "torch dense", "torch CSR", "topokit.torch")
STEPS = ("topokit", "JAX dense", ROUGH, "torch dense", "torch bmm", "torch CSR")


def origin(kept: dict[str, Any]) -> str:
    """Card, commit and date of every part of the numbers."""
    runs, own = [], kept["provenance"]
    stay = own.get("kept", {}).get("sections", [])
    now = [n for n in kept if n not in ("provenance", "environment", *stay)]
    parts = [(now, own, kept["environment"])] if now else []
    if "kept" in own:
        single = own["kept"].get("cases", {}).items()
        left = [*stay, *(f"{name} ({'; '.join(cases)})" for name, cases in single)]
        parts.append((left, own["kept"]["provenance"], own["kept"]["environment"]))
    for sections, made, environment in parts:
        packages = {name: made["packages"].get(name) for name in ("jax", "torch")}
        versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
        told = environment["device"], made["commit"][:7], made["date"], versions
        runs.append((", ".join(sections), *told))
    return table(("sections", "card", "commit", "date", "with"), runs)


def rates(kept: dict[str, Any]) -> str:
    """Rates of the Graph Challenge by size, beside published ones."""
    rows, found = [], kept["challenge"]
    sizes = [key.removesuffix(", classes") for key in found if key.endswith(", classes")]
    for size in sizes:
        by_form = [found[f"{size}, {form}"] for form in ("edges", "classes")]
        ours = [_power(row.get("rate")) for row in by_form]
        known = {key: value for row in by_form for key, value in row.items()}
        v100 = [value for key, value in known.items() if key.startswith("V100")]
        rows.append((size, *ours, _power(max(v100, default=None)), _power(known.get(CHAMPION))))
    return table(("neurons, layers", "by edges", "by classes", "best on a V100", CHAMPION), rows)


def ways(kept: dict[str, Any]) -> str:
    """Seconds of every way of inference on the first size."""
    found = kept["challenge"]["ways"].items()
    rows = [(way, short(1e3 * row["seconds"]), _power(row["rate"])) for way, row in found]
    return table(("way", "ms", "rate"), rows)


def layers(kept: dict[str, Any]) -> str:
    """A step of training of each layer, in microseconds."""
    rows = []
    for case, found in kept["layers"].items():
        if "training" not in found:
            continue
        seconds = found["training"]["seconds"]
        ours = [_micro(seconds, way) for way in (found["training"]["fastest"], *LAYERS)]
        rows.append((case, f"{found['edges']:,}", found["training"]["fastest"], *ours))
    return table(("width, examples, wiring", "edges", "fastest", "its µs", *LAYERS), rows)


def steps(kept: dict[str, Any]) -> str:
    """A step of descent on each product, in microseconds."""
    rows = []
    for case, found in kept["steps"].items():
        seconds = {way: row[1] for way, row in found.get("seconds", {}).items()}
        if seconds:
            rows.append((case, *(_micro(seconds, way) for way in STEPS)))
    return table(("product", *STEPS), rows)


def _micro(seconds: dict[str, float], way: str) -> str:
    return short(1e6 * seconds[way]) if way in seconds else ""


def _power(rate: float | None) -> str:
    """In units of 10^12."""
    return "" if rate is None else short(rate / 1e12)


TABLES = {"origin": origin, "rates": rates, "ways": ways, "layers": layers, "steps": steps}
