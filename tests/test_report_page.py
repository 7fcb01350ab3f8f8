"""The page in a real browser: what a reader sees, clicks and points at.

One Chromium serves all tests. Where there is none they are skipped; `.ci/run` installs Debian's.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topokit as tk
from analyses.kit import CHROMIUM, Browser, open_browser
from topokit.ranking import Maps, Row, SizedLoss

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

N = 8
IMAGE = '"><img src="http://no.where/x.png" onerror="window.hacked = 2">'
HOSTILE = {
    "<script>window.hacked = 1</script>": "<script>window.hacked = 1</script>",
    IMAGE: IMAGE,
    "</script><!--<b>&amp;\u2028": "</script><!--<b>&amp;\\u2028",
    "bell \x07, back \u202e": "bell \\x07, back \\u202e",
    "x" * 5000: "x" * 39 + "…" + "x" * 40,
    "butterfly": "butterfly",
}
FAMILY = "torus"
FLAT = list(HOSTILE)[2]
DOT_LOSS = 0.625  # of the best row's wiring, at half of its weights


def graphs() -> dict[str, Any]:
    """Small wirings under names that want to be more than text."""
    t = tk.topologies
    made = [
        t.butterfly(N),
        t.torus((4, 2), 2),
        tk.with_skip(t.torus((4, 2), 3)),
        t.low_rank(N, N, 2),
        tk.from_masks([np.ones((N, N))]),
        tk.with_diagonal(tk.with_skip(t.butterfly(N, 6), placement="random", seed=3)),
    ]
    made[4].graph["family"] = "</script><i>mine</i>"
    return dict(zip(HOSTILE, made, strict=True))


def rows_of(topologies: dict[str, Any]) -> list[Row]:
    """Their rows; losses are made up, one of them missing."""
    rows = []
    for place, (name, graph) in enumerate(topologies.items()):
        label = {"name": name, "family": graph.graph["family"], "skip": " skip" in graph.name}
        loss = float("nan") if place == 4 else 0.5 - 0.07 * place
        mean = {"loss": loss, "loss_error": 0.01, "targets": 2, "steps": 9}
        rows.append(Row(**label, **mean, **tk.score(graph)._asdict()))
    return rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with the page of a ranking, and what went into it."""
    folder = tmp_path_factory.mktemp("page")
    topologies, rng = graphs(), np.random.default_rng(0)
    rows = rows_of(topologies)
    maps = {name: Maps(rng.random((N, N)), None, rng.random((N, N))) for name in topologies}
    maps[rows[-1].name] = Maps(0.5 + 0.001 * rng.random((N, N)), None, rng.random((N, N)))
    maps[FLAT] = Maps(np.full((N, N), 0.375), None, rng.random((N, N)))
    further = {"trainable": rows[-1].trainable // 2, "loss": DOT_LOSS}
    size = {f.name: getattr(rows[-1], f.name) for f in dataclasses.fields(SizedLoss)} | further
    beside = [SizedLoss(**size)]
    tk.report.write_report(folder / "report.html", rows, topologies, maps=maps, beside=beside)
    order = sorted(rows, key=lambda row: (np.isnan(row.loss), row.loss))
    with open_browser() as browser:
        yield Loaded(browser, folder / "report.html", order, maps)


class Loaded:
    """The page, loaded anew for each test that asks for it."""

    def __init__(self, browser: Browser, path: Path, rows: list[Row], maps: dict) -> None:
        self.browser, self.path, self.rows, self.maps = browser, path, rows, maps

    def load(self, **how: Any) -> Browser:
        self.browser.load(self.path, **how)
        return self.browser

    def place(self, name: str) -> int:
        return [row.name for row in self.rows].index(name)


def names_shown(browser: Browser) -> list[str]:
    return browser.run(
        "[...document.querySelectorAll('#entries tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.querySelector('th bdi').textContent)"
    )


def click(browser: Browser, selector: str) -> None:
    """Click in the middle of an element, as a pointer does."""
    place = "document.querySelector({!r}).{}"
    browser.run(place.format(selector, "scrollIntoView({block: 'center'})"))
    browser.settle()
    box = browser.run(place.format(selector, "getBoundingClientRect().toJSON()"))
    browser.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def focus(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({selector!r}).focus()")


def spot(browser: Browser, chart: str, x: float, y: float) -> tuple[float, float]:
    """Where in the window a chart draws a place of its axes, by Bokeh's own account."""
    browser.run(f"document.querySelector('#chart-{chart}').scrollIntoView({{block: 'center'}})")
    browser.settle()
    left, top, across, down = browser.run(
        f"(() => {{ const [view] = Bokeh.index.query(view => view.model.name === '{chart}');"
        "const box = view.canvas_view.el.getBoundingClientRect();"
        f"return [box.left, box.top, view.frame.x_scale.compute({x}),"
        f" view.frame.y_scale.compute({y})] }})()"
    )
    return left + across, top + down


def tips(browser: Browser) -> str:
    """What shows at the pointer, in whichever shadow Bokeh keeps it."""
    return browser.run(
        "(() => { const within = root => [...root.querySelectorAll('*')].map(element =>"
        " (element.matches('.bk-tooltip-content, .bk-Tooltip') ? element.textContent : '') +"
        " (element.shadowRoot ? within(element.shadowRoot) : '')).join(' ');"
        " return within(document) })()"
    )


def text(browser: Browser, selector: str) -> str:
    return browser.run(f"document.querySelector({selector!r}).textContent")


def test_it_loads_without_a_complaint_and_asks_for_nothing(page) -> None:
    browser = page.load()
    assert browser.complaints == []
    assert browser.requests == [page.path.as_uri()]
    assert page.path.stat().st_size < 4e6


@pytest.mark.parametrize("key", ["trainable", "loss"])
def test_headings_sort_by_pointer_and_by_key(page, key) -> None:
    browser = page.load()
    values = {HOSTILE[row.name]: getattr(row, key) for row in page.rows}
    known = sorted(value for value in values.values() if value == value)
    heading = f'#entries [data-key="{key}"]'
    click(browser, heading)
    rising = [values[name] for name in names_shown(browser)]
    focus(browser, heading)
    browser.press("Enter")
    falling = [values[name] for name in names_shown(browser)]
    assert rising[: len(known)] == known, "what has no number comes last"
    assert falling[: len(known)] == known[::-1]
    assert len(rising) == len(falling) == len(page.rows)
    sort = browser.run(f"document.querySelector('{heading}').closest('th').ariaSort")
    assert sort == "descending"


def test_a_family_is_filtered_out_of_table_and_charts(page) -> None:
    browser = page.load()
    families = browser.run(
        "[...document.querySelectorAll('.filter label bdi')].map(name => name.textContent)"
    )
    assert families == sorted({row.family for row in page.rows})
    click(browser, f".filter [data-family='{families.index(FAMILY)}']")
    kept = [row.family != FAMILY for row in page.rows]
    assert len(names_shown(browser)) == sum(kept)
    shown = (
        "Bokeh.documents.map(d => d.get_model_by_name('parameters shown')).find(Boolean).booleans"
    )
    assert browser.run(shown) == kept
    assert text(browser, "#said").startswith(f"{sum(kept)} of {len(kept)} shown")
    click(browser, "[data-all='1']")
    assert len(names_shown(browser)) == len(kept)


def test_the_best_and_the_worst_stand_side_by_side_at_first(page) -> None:
    browser = page.load()
    for side, row in enumerate((page.rows[0], page.rows[-1])):
        assert text(browser, f"[data-name='{side}']") == HOSTILE[row.name]
        free = text(browser, f"[data-key='degrees_of_freedom'] td:nth-of-type({side + 1})")
        assert free.startswith(str(row.degrees_of_freedom))


def test_a_row_a_list_and_a_point_choose(page) -> None:
    browser = page.load()
    browser.run('document.querySelector(\'[data-entry="2"] [data-side="1"]\').focus()')
    browser.press(" ")
    assert browser.run("document.querySelector('[data-choose=\"1\"]').value") == "2"
    bandwidth = text(browser, "[data-key='bandwidth'] td:nth-of-type(2)")
    assert bandwidth.startswith(str(page.rows[2].bandwidth))
    words = text(browser, "[data-diagnosis='1']")
    assert "Bottlenecks" in words
    assert "skip connections" in words
    row = page.rows[3]
    browser.click(*spot(browser, "parameters", row.trainable, row.loss))
    assert text(browser, "[data-name='0']") == HOSTILE[row.name]
    click(browser, "#swap")
    assert text(browser, "[data-name='1']") == HOSTILE[row.name]


@pytest.mark.parametrize(("kind", "side"), [("leverage", 0), ("control", 1)])
def test_the_number_under_the_pointer_is_that_of_the_map(page, kind, side) -> None:
    browser = page.load(width=1280)
    row = page.rows[-side]
    for given, put in ((1, 6), (7, 0)):
        value = f"{getattr(page.maps[row.name], kind)[given, put]:.4f}"
        browser.point(*spot(browser, f"{kind}-{side}", put, given))
        said = text(browser, f"[data-map='{kind}'][data-side='{side}'] output")
        assert said == f"at input {given}, output {put}: {value}"
        assert f"input {given}output {put}value {value}" in tips(browser).replace("  ", "")


def test_arrow_keys_read_a_map(page) -> None:
    browser = page.load()
    focus(browser, "#chart-leverage-0")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowUp"):
        browser.press(key)
    H = page.maps[page.rows[0].name].leverage
    said = text(browser, "[data-map='leverage'][data-side='0'] output")
    assert said == f"at input 0, output 1: {H[0, 1]:.4f}"
    for key, output in (("End", N - 1), ("Home", 0)):
        browser.press(key)
        said = text(browser, "[data-map='leverage'][data-side='0'] output")
        assert said == f"at input 0, output {output}: {H[0, output]:.4f}"


def test_a_map_that_is_missing_is_said_to_be(page) -> None:
    browser = page.load()
    assert text(browser, "[data-map='descent'] .summary") == "There is no such map."


def test_a_small_dot_says_whose_it_is_and_is_open_with_skips(page) -> None:
    browser = page.load()
    best = page.rows[0]
    assert best.skip
    browser.point(*spot(browser, "parameters", best.trainable // 2, DOT_LOSS))
    told = tips(browser)
    for words in (best.name, f"{DOT_LOSS:.4f} ±", f"trainable {best.trainable // 2}"):
        assert words in told
    fill, color, dash = browser.run(
        "(({fill, color, dash}) => [fill[0], color[0], dash[0]])(Bokeh.documents"
        ".map(d => d.get_model_by_name('parameters cloud')).find(Boolean).data)"
    )
    assert fill != color
    assert dash == "dashed"


def test_hostile_names_are_text(page) -> None:
    browser = page.load()
    assert set(names_shown(browser)) == {HOSTILE[row.name] for row in page.rows}
    for row in page.rows[:3]:
        browser.point(*spot(browser, "parameters", row.trainable, row.loss))
        assert HOSTILE[row.name] in tips(browser)
    for number in range(len(page.rows)):
        browser.run(f"document.querySelector('[data-entry=\"{number}\"]').click()")
    assert browser.run("[typeof hacked, document.images.length, document.scripts.length]") == [
        "undefined",
        0,
        3,
    ]
    assert browser.complaints == []
    assert browser.requests == [page.path.as_uri()]


def test_maps_share_a_scale_until_each_is_asked_to_have_its_own(page) -> None:
    browser = page.load()
    assert page.rows[0].name == "butterfly", "which has an even map"
    K = page.maps["butterfly"].control
    colors = (
        "(({low, high}) => [low, high])(Bokeh.documents"
        ".map(d => d.get_model_by_name('control-0 colors')).find(Boolean))"
    )
    assert browser.run(colors) == [0, 1]
    click(browser, "#own")
    low, high = browser.run(colors)
    assert low + high == pytest.approx(2 * K.mean())
    assert low <= K.min()
    assert high >= K.max()
    assert high - low < 0.005
    light = browser.run(colors.replace("[low, high]", "palette").replace("low, high", "palette"))
    browser.prefer("dark")
    browser.settle()
    dark = browser.run(colors.replace("[low, high]", "palette").replace("low, high", "palette"))
    assert dark[128] != light[128], "no white in the dark"
    click(browser, "#own")
    assert browser.run(colors) == [0, 1]


def test_a_flat_map_is_said_to_be_even(page) -> None:
    browser = page.load()
    browser.run(f"document.querySelector('[data-entry=\"{page.place(FLAT)}\"]').click()")
    assert text(browser, "[data-map='control'][data-side='0'] .even") == (
        "Even: every entry is 0.375."
    )
    assert text(browser, "[data-map='control'][data-side='1'] .even") == ""


@pytest.mark.parametrize(
    ("deed", "forbidden"),
    [
        ("fetch('http://no.where/').catch(() => 0)", "connect-src"),
        ("document.body.append(new Image()); document.images[0].src = '/x.png'", "img-src"),
        (
            "const made = document.createElement('script'); made.text = 'window.hacked = 3';"
            "document.body.append(made)",
            "script-src-elem",
        ),
    ],
)
def test_what_would_slip_in_could_neither_call_out_nor_run(page, deed, forbidden) -> None:
    browser = page.load()
    told = "document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective))"
    assert browser.run(f"new Promise(done => {{ {told}; {deed} }})") == forbidden
    assert browser.run("typeof hacked") == "undefined"


def test_what_the_columns_say_opens_by_key(page) -> None:
    browser = page.load()
    focus(browser, "#table summary")
    browser.press("Enter")
    told = dict(
        browser.run(
            "[...document.querySelectorAll('#table dt')]"
            ".map(dt => [dt.innerText, dt.nextSibling.innerText])"
        )
    )
    assert told["Total K"].startswith("Sum of the controllability matrix")
    assert "None where" not in "".join(told.values()), "of what no row lacks"


def test_a_narrow_table_says_that_it_scrolls_and_fingers_hit_its_letters(page) -> None:
    for width in (400, 1600):
        browser = page.load(width=width)
        browser.settle()
        hidden = browser.run("document.querySelector('#sideways').hidden")
        wide = browser.run(
            "(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)"
            "(document.querySelector('#scrolled'))"
        )
        assert hidden is not wide
    browser.ask("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        box = page.load(width=400).run(
            "document.querySelector('td.pick button').getBoundingClientRect().toJSON()"
        )
    finally:
        browser.ask("Emulation.setTouchEmulationEnabled", enabled=False)
    assert min(box["width"], box["height"]) >= 40


@pytest.mark.parametrize("width", [400, 1600])
def test_nothing_is_wider_than_the_window(page, width) -> None:
    browser = page.load(width=width)
    assert browser.run("document.documentElement.scrollWidth") == width


def test_charts_follow_the_color_scheme(page) -> None:
    browser = page.load()
    colors = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.settle()
        soft, drawn = browser.run(
            "[getComputedStyle(document.documentElement).getPropertyValue('--soft').trim(),"
            " Bokeh.documents[0].roots()[0].below[0].major_label_text_color]"
        )
        assert drawn == soft
        colors.append(soft)
    assert colors[0] != colors[1]


def test_pages_of_sweeps_and_trainings_work_too(page, tmp_path) -> None:
    quick = tk.reconstruction.HierarchicalSVD()
    wirings = {f"rank {rank}": tk.topologies.low_rank(N, N, rank) for rank in (1, 2)}
    results = list(tk.ranking.sweep(wirings, targets=2, seeds=2, solver=quick))
    tk.report.write_sweep_report(tmp_path / "sweep.html", results)
    epochs = [
        {"epoch": n, "steps": n, "train_loss": 1 / n, "validation_loss": 1.0, "seconds": 0.1}
        | {"validation_accuracy": 0.5 + n / 10}
        for n in (1, 2)
    ]
    test = {"loss": 1.0, "accuracy": 0.625}
    runs = [{"seed": s, "parameters": 9, "epochs": epochs, "test": test} for s in (0, 1)]
    training = {"model": "<b>mlp</b>", "runs": runs}
    tk.report.write_training_report(tmp_path / "training.html", training)
    browser = page.browser
    browser.load(tmp_path / "sweep.html")
    assert names_shown(browser) == ["rank 2", "rank 1"]
    mean = np.mean([result.loss for result in results if result.name == "rank 2"])
    assert text(browser, "#numbers [data-key='loss'] td").startswith(f"{mean:.4f}")
    assert browser.complaints == []
    browser.load(tmp_path / "training.html")
    assert names_shown(browser) == ["seed 0", "seed 1"]
    assert text(browser, "h1") == "A training: <b>mlp</b>"
    assert text(browser, "#numbers [data-key='test_error'] td") == "37.50"
    assert browser.complaints == []
    browser.point(*spot(browser, "learning", 2, 30))
    assert "seed" in tips(browser), "a mark at epoch 2, 30 % wrong"
    for name in ("sweep", "training"):
        for width in (400, 1600):
            browser.load(tmp_path / f"{name}.html", width=width)
            assert browser.run("document.documentElement.scrollWidth") == width
