"use strict";
// The page's own script: it sorts, filters and fills in with text alone (never with markup), and
// sets the sources and colors of Bokeh's charts.
(async () => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const entries = page.entries;
  const picked = [0, Math.max(0, entries.length - 1)];
  const shown = entries.map(() => true);
  const said = one("#said");

  // Small builders: `text` is never markup.
  const make = (tag, text = "", name = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const model = (name) => {
    for (const document of Bokeh.documents) {
      const found = document.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  };
  const plots = () => Bokeh.documents.flatMap((document) => document.roots());

  // ---- the table ----
  const body = one("#entries tbody");
  const rows = all("tr", body);
  const order = (key, descending) => {
    const value = (row) => {
      const number = Number(row.dataset.entry);
      return key === "place" ? number : entries[number].values[key];
    };
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      const before = typeof x === "string" ? x.localeCompare(y) : x - y;
      return descending ? -before : before;
    };
    body.append(...[...rows].sort(compare));
  };
  for (const button of all("#entries thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const descending = head.getAttribute("aria-sort") === "ascending";
      all("#entries thead [aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      order(button.dataset.key, descending);
      tell(`sorted by ${button.title === "Place" ? "place" : button.textContent.trim()}, ${descending ? "descending" : "ascending"}`);
    });
  }
  new ResizeObserver(([{ target }]) => {
    one("#sideways").hidden = target.scrollWidth <= target.clientWidth;
  }).observe(one("#scrolled"));
  const tell = (more = "") => {
    const count = shown.filter(Boolean).length;
    said.textContent = `${count} of ${entries.length} shown${more ? `, ${more}` : ""}`;
  };
  const boxes = all("[data-family]");
  const filter = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => Number(box.dataset.family)));
    rows.forEach((row) => {
      const number = Number(row.dataset.entry);
      shown[number] = !boxes.length || wanted.has(entries[number].family);
      row.hidden = !shown[number];
    });
    tell();
    for (const name of page.pointed) {
      const filtered = model(`${name} shown`);
      if (filtered) filtered.booleans = [...shown];
    }
    paint();
  };
  boxes.forEach((box) => box.addEventListener("change", filter));
  all("[data-all]").forEach((button) => button.addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = Boolean(button.dataset.all); });
    filter();
  }));
  all("td[data-bar]").forEach((cell) => {
    cell.style.backgroundSize = `calc(${cell.dataset.bar} * (100% - 1.1rem)) 3px`;
  });
  rows.forEach((row) => row.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    pick(button ? Number(button.dataset.side) : event.shiftKey ? 1 : 0, Number(row.dataset.entry));
  }));

  // ---- two entries side by side ----
  const pick = (side, number) => {
    picked[side] = number;
    rows.forEach((row) => {
      const mine = Number(row.dataset.entry);
      row.classList.toggle("shown", picked.includes(mine));
      all("[data-side]", row).forEach((button) => {
        button.setAttribute("aria-pressed", String(picked[Number(button.dataset.side)] === mine));
      });
    });
    one(`[data-choose="${side}"]`).value = String(number);
    all(`[data-name="${side}"]`).forEach((place) => { place.textContent = entries[number].name; });
    numbers();
    rings();
    if (page.diagnosed) diagnosis(side, entries[number].diagnosis);
    if (page.built) building(side, entries[number].building);
    if (page.drawn) wiring(side, entries[number].wiring);
    if (page.maps.length) maps();
  };
  all("[data-choose]").forEach((choice) => choice.addEventListener("change", () => {
    pick(Number(choice.dataset.choose), Number(choice.value));
  }));
  one("#swap").addEventListener("click", () => {
    const [a, b] = picked;
    pick(0, b);
    pick(1, a);
  });

  const numbers = () => {
    for (const row of all("#numbers tbody tr")) {
      const cells = all("td", row).slice(0, 2);
      const values = picked.map((number) => entries[number].values[row.dataset.key]);
      const sign = { low: -1, high: 1 }[row.dataset.good] ?? 0;
      const texts = picked.map((number) => entries[number].texts[row.dataset.key]);
      const equal = values.includes(null) || texts[0] === texts[1];
      const ahead = equal ? 0 : Math.sign(values[0] - values[1]) * sign;
      cells.forEach((cell, side) => {
        cell.textContent = texts[side];
        const better = ahead === (side ? -1 : 1);
        cell.classList.toggle("better", better);
        if (better) cell.append(make("span", " (better)", "sr"));
      });
    }
  };

  const SIGNS = { met: ["✓", "met"], "in part": ["~", "part"], "not met": ["✗", "not"], open: ["?", "open-verdict"] };
  const diagnosis = (side, found) => {
    const place = one(`[data-diagnosis="${side}"]`);
    place.replaceChildren();
    if (!found) { place.append(make("p", "There is no diagnosis.")); return; }
    const list = make("ul", "", "verdicts");
    for (const { name, verdict, evidence, advice } of found.criteria) {
      const item = make("li");
      const [sign, kind] = SIGNS[verdict];
      const mark = make("span", sign, `sign ${kind}`);
      mark.setAttribute("aria-hidden", "true");
      item.append(mark, make("strong", `${name}: ${verdict}`), ` – ${evidence}.`);
      if (advice) item.append(make("span", advice, "advice"));
      list.append(item);
    }
    const more = make("div", "", "findings");
    for (const [heading, lines] of Object.entries(found.findings)) {
      if (!lines.length) continue;
      more.append(make("h5", heading));
      const tabular = (line) => line.includes("  ");
      const table = lines.filter(tabular);
      lines.filter((line) => !tabular(line)).forEach((line) => more.append(make("p", line)));
      if (table.length) {
        const block = make("pre", table.join("\n"));
        block.tabIndex = 0;
        more.append(block);
      }
    }
    place.append(list, more);
  };

  const block = (text) => {
    const frame = make("div", "", "code");
    const held = make("pre");
    held.tabIndex = 0;
    held.append(make("code", text));
    const button = make("button", "Copy", "copy");
    button.type = "button";
    frame.append(held, button);
    return frame;
  };
  const building = (side, { said: words, command_means: means, command, python }) => {
    const place = one(`[data-build="${side}"]`);
    place.replaceChildren(...words.map((line) => make("p", line)));
    if (command) place.append(make("p", means, "small"), block(command));
    if (python) place.append(make("p", "In Python:", "small"), block(python));
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = one("code", button.parentElement);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  // ---- arrays of numbers, as Python packs them ----
  const array = (packed, kind) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new kind(bytes.buffer);
  };

  // ---- the drawing ----
  const wiring = (side, held) => {
    const sources = Object.fromEntries(["trainable", "constant", "neurons"].map((kind) => [kind, model(`wiring-${side} ${kind}`)]));
    const widest = Math.max(...held.widths);
    const height = (layer, index) => Math.sqrt(held.widths[layer] / widest) * (0.5 - (index + 0.5) / held.widths[layer]);
    const [senders, receivers] = [array(held.senders, Uint32Array), array(held.receivers, Uint32Array)];
    const constant = array(held.constant, Uint8Array);
    const columns = () => ({ x0: [], y0: [], x1: [], y1: [], alpha: [], layer: [], sender: [], receiver: [] });
    const drawn = { trainable: columns(), constant: columns() };
    let edge = 0;
    held.sizes.forEach((size, layer) => {
      for (let end = edge + size; edge < end; edge++) {
        const kind = constant[edge] ? "constant" : "trainable";
        const into = drawn[kind];
        const [s, r] = [senders[edge], receivers[edge]];
        into.x0.push(layer); into.y0.push(height(layer, s));
        into.x1.push(layer + 1); into.y1.push(height(layer + 1, r));
        into.alpha.push(Math.min(1, Math.max(0.15, (kind === "constant" ? 12 : 8) / Math.sqrt(size))));
        into.layer.push(layer + 1); into.sender.push(s); into.receiver.push(r);
      }
    });
    const neurons = { x: [], y: [], size: [] };
    held.widths.forEach((width, layer) => {
      const size = Math.max(1.2, Math.min(7, 130 / Math.sqrt(width * widest)));
      for (let index = 0; index < Math.min(width, 2000); index++) {
        neurons.x.push(layer); neurons.y.push(height(layer, index)); neurons.size.push(size);
      }
    });
    sources.trainable.data = drawn.trainable;
    sources.constant.data = drawn.constant;
    sources.neurons.data = neurons;
    const depth = held.widths.length - 1;
    model(`wiring-${side}`).x_range.setv({ start: -0.03 * depth - 0.05, end: 1.03 * depth + 0.05 });
    model(`wiring-${side}`).y_range.setv({ start: -0.54, end: 0.54 });
    one(`[data-wiring="${side}"]`).textContent = held.said;
  };

  // ---- heatmaps ----
  let cell = null;
  const matrix = (side, kind) => {
    const held = entries[picked[side]].maps?.[kind];
    if (held && !held.values) held.values = array(held.packed, Float32Array);
    return held;
  };
  // Both sides from 0 up on one scale; or each on its own, by deviations from the mean where values
  // would be one color.
  const EVEN = 0.25, LEAST = 1e-3, FLAT = 1e-4;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const rounded = (value) => {
    const unit = 10 ** Math.floor(Math.log10(value));
    return unit * [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].find((step) => step >= value / unit - 1e-9);
  };
  const brief = (value) => String(Number(value.toPrecision(3)));
  const scaleOf = (held, side) => {
    const own = one("#own").checked;
    const wanted = own ? [held[side]] : held.filter(Boolean);
    const low = Math.min(0, ...wanted.map((map) => map.low));
    const high = Math.max(1, ...wanted.map((map) => map.high));
    const mine = held[side];
    if (!own || mine.high - mine.low > EVEN * (high - low)) {
      return { low, high, palette: "values", said: `Colors: values from ${brief(low)} to ${brief(high)}.` };
    }
    const reach = rounded(Math.max(mine.high - mine.mean, mine.mean - mine.low, LEAST * (high - low)));
    return { low: mine.mean - reach, high: mine.mean + reach, palette: dark.matches ? "deviations in the dark" : "deviations", said: `Colors show deviations from the mean, up to ±${brief(reach)}.` };
  };
  const maps = () => {
    for (const { key } of page.maps) {
      const held = [0, 1].map((side) => matrix(side, key));
      held.forEach((mine, side) => {
        const figure = one(`[data-map="${key}"][data-side="${side}"]`);
        one(".chart", figure).hidden = !mine;
        one(".summary", figure).textContent = mine ? mine.said : "There is no such map.";
        one(".even", figure).textContent = "";
        one(".scale", figure).textContent = "";
        if (!mine) return;
        const scale = scaleOf(held, side);
        if (mine.high - mine.low <= FLAT * Math.abs(mine.mean)) {
          one(".even", figure).textContent = `Even: every entry is ${brief(mine.mean)}.`;
        }
        model(`${key}-${side} colors`).setv({ low: scale.low, high: scale.high, palette: page.palettes[scale.palette] });
        one(".scale", figure).textContent = scale.said;
        const source = model(`${key}-${side} image`);
        const image = new (source.data.image[0].constructor)(mine.values, [mine.shape[0], mine.shape[1]]);
        const [height, width] = mine.size;
        source.data = { image: [image], width: [width], height: [height] };
        const plot = model(`${key}-${side}`);
        plot.x_range.setv({ start: -0.5, end: width - 0.5 });
        plot.y_range.setv({ start: height - 0.5, end: -0.5 });
        // The numbers beside the colors may need more room than before.
        for (const view of Bokeh.index.query((found) => found.model === plot)) view.invalidate_layout();
      });
    }
    point(cell);
  };
  const valueAt = (held, [input, output]) => {
    const [height, width] = held.size;
    if (input >= height || output >= width) return null;
    // The block that holds an entry, where block b begins at floor(b n / count).
    const block = (at, axis) => Math.ceil((at + 1) * held.shape[axis] / held.size[axis]) - 1;
    return held.values[block(input, 0) * held.shape[1] + block(output, 1)];
  };
  const point = (place) => {
    cell = place;
    one("#cell").textContent = place ? `input ${place[0]}, output ${place[1]}` : "No entry is pointed at.";
    for (const { key } of page.maps) {
      for (const side of [0, 1]) {
        const held = matrix(side, key);
        const value = held && place ? valueAt(held, place) : null;
        const said_ = value === null ? "" : `at input ${place[0]}, output ${place[1]}: ${value.toFixed(4)}`;
        one(`[data-map="${key}"][data-side="${side}"] output`).textContent = said_;
        model(`${key}-${side} cell`).data = value === null ? { x: [], y: [] } : { x: [place[1]], y: [place[0]] };
      }
    }
  };
  one("#own")?.addEventListener("change", maps);
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  // To the ends of the row.
  STEPS.Home = [0, -Infinity];
  STEPS.End = [0, Infinity];
  for (const figure of all("[data-map]")) {
    const { map: key, side } = figure.dataset;
    one(".chart", figure).addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      const held = matrix(Number(side), key);
      if (!step || !held) return;
      event.preventDefault();
      const moved = (at, axis) => Math.max(0, Math.min(held.size[axis] - 1, at + step[axis]));
      // The first arrow shows where one is.
      point(cell || !Number.isFinite(step[1]) ? (cell ?? [0, 0]).map(moved) : [0, 0]);
    });
  }
  const follow = () => {
    for (const { key } of page.maps) {
      for (const side of [0, 1]) {
        const plot = model(`${key}-${side}`);
        plot.on_event("mousemove", ({ x, y }) => {
          const held = matrix(side, key);
          const place = [Math.round(y), Math.round(x)];
          const inside = held && place.every((at, axis) => at >= 0 && at < held.size[axis]);
          if (inside && String(place) !== String(cell)) point(place);
        });
      }
    }
  };

  // ---- charts ----
  const rings = () => {
    for (const name of page.pointed) {
      const [points, drawn] = [model(`${name} points`), model(`${name} rings`)];
      if (!points || !drawn) continue;
      const there = picked.map((number, side) => [number, "AB"[side]]);
      const same = picked[0] === picked[1];
      const kept = same ? [[picked[0], "A B"]] : there;
      const at = (column) => kept.map(([number]) => points.data[column][number]);
      drawn.data = { x: at("x"), y: at("y"), side: kept.map(([, letter]) => letter) };
    }
  };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const paint = () => {
    const [ink, soft, line, paper] = ["--ink", "--soft", "--line", "--panel"].map(color);
    const families = [0, 1, 2, 3, 4, 5, 6].map((number) => color(`--c${number}`));
    for (const plot of plots()) {
      for (const axis of [...plot.left, ...plot.below]) {
        axis.setv({ axis_label_text_color: soft, major_label_text_color: soft, axis_line_color: line, major_tick_line_color: line });
      }
      for (const bar of plot.right) bar.setv({ major_label_text_color: soft, major_tick_line_color: null });
      for (const grid of plot.center) if (grid.type === "Grid") grid.grid_line_color = line;
      for (const drawn of plot.renderers) {
        const { glyph, name } = drawn;
        if (name === "rings") glyph.line_color = { value: ink };
        if (name === "letters") glyph.text_color = { value: ink };
        if (name === "rule") glyph.line_color = soft;
        if (name === "trainable") glyph.line_color = { value: families[0] };
        if (name === "constant") glyph.line_color = { value: families[1] };
        if (name === "neurons") glyph.fill_color = { value: ink };
      }
    }
    const of = (number) => families[entries[number].color];
    for (const name of page.pointed) {
      const points = model(`${name} points`);
      if (points) {
        const colors = entries.map((_, number) => of(number));
        const fill = entries.map((entry, number) => (entry.filled ? of(number) : paper));
        points.data = { ...points.data, color: colors, fill };
      }
      const cloud = model(`${name} cloud`);
      if (cloud) {
        const own = (tell) => Array.from(cloud.data.entry, (number) => (shown[number] ? tell(number) : "transparent"));
        const fill = own((number) => (entries[number].filled ? of(number) : paper));
        cloud.data = { ...cloud.data, color: own(of), fill };
      }
    }
  };
  const listen = () => {
    for (const name of page.pointed) {
      const points = model(`${name} points`);
      points?.selected.properties.indices.change.connect(() => {
        const [number] = points.selected.indices;
        if (number === undefined) return;
        points.selected.indices = [];
        pick(0, number);
      });
    }
  };

  await Promise.all(Object.entries(page.charts).map(([name, item]) => Bokeh.embed.embed_item(item, `chart-${name}`)));
  dark.addEventListener("change", () => {
    paint();
    if (page.maps.length) maps();
  });
  follow();
  listen();
  filter();
  pick(0, picked[0]);
  pick(1, picked[1]);
  document.documentElement.dataset.ready = "yes";
})();
