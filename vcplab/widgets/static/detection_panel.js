// The detection panel. Whatever a sample or a detector says is set by textContent; nothing here is
// parsed as HTML. The kernel's half, and the messages, are in detection_panel.py.
const KINDS = {
  miss: "✗", "false alarm": "!", hit: "✓", pass: "✓", abstained: "–", unlabelled: "?",
};
const LISTS = {
  errors: "Misses and false alarms", misses: "Misses", "false alarms": "False alarms",
  hits: "Hits", passes: "Rightly passed", abstained: "Abstained", unlabelled: "Without a label",
  relabelled: "With my label", all: "All",
};
const ORDERS = { surest: "surest first", closest: "closest to the threshold", data: "as in the data" };
const MEANS = {
  precision: "Of those flagged, the share that is hallucinated.",
  recall: "Of those hallucinated, the share that is flagged.",
  specificity: "Of those faithful, the share that passes.",
  "balanced accuracy": "The mean of recall and specificity: one half is chance.",
  F1: "The harmonic mean of precision and recall.",
  flagged: "The share of all judged responses that is flagged.",
};
const PATIENCE = 1000; // milliseconds until what the kernel has not answered is said to wait
const PAUSE = 180; // milliseconds that the threshold must rest until the kernel is asked
const DRAWN = 300; // points of a curve
let unique = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name.split(" ").map((word) => `vcplab-detect-${word}`).join(" ");
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(name, text, act) {
  const made = element("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function labelled(text, control) {
  const made = element("label", "labelled");
  made.append(element("span", "", text), control);
  return made;
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => {
    const option = element("option", "", text);
    option.value = value;
    return option;
  }));
  if (chosen !== undefined) select.value = chosen;
}

/** Set a text only where it is another: live regions would tell it again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function share(value) {
  return Number.isFinite(value) ? value.toFixed(3).replace(/^0\./, ".") : "–";
}

function percent(value) {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)}%` : "–";
}

/** A threshold as short as it can be told from its neighbours. */
function brief(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0 || value === 1) return String(value);
  if (value > 0.001 && value < 0.999) return String(Number(value.toFixed(4)));
  return String(Number(value.toPrecision(6)));
}

function money(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function identifier() {
  // Not randomUUID: pages that are not served over https do not have it.
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

function numbers(view, Kind) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** The operating points of one detector: p falling, and what is flagged from each p on. */
class Points {
  constructor(message, buffers) {
    this.p = numbers(buffers[0], Float64Array);
    this.tp = numbers(buffers[1], Uint32Array);
    this.fp = numbers(buffers[2], Uint32Array);
    this.positives = message.hallucinated;
    this.negatives = message.judged - message.hallucinated;
  }

  /** How many operating points are at or above a threshold. */
  above(threshold) {
    let low = 0;
    let high = this.p.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.p[middle] >= threshold) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The four numbers when the first points are flagged. */
  at(count) {
    const tp = count ? this.tp[count - 1] : 0;
    const fp = count ? this.fp[count - 1] : 0;
    return { tp, fp, fn: this.positives - tp, tn: this.negatives - fp };
  }

  /** The threshold of the next point, to flag more (1) or fewer (-1). */
  next(threshold, direction) {
    const count = this.above(threshold);
    if (direction > 0) return count < this.p.length ? this.p[count] : null;
    if (count === 0) return null;
    return count === 1 ? Math.min(1.000001, this.p[0] + 1e-6) : this.p[count - 2];
  }

  /** Where the cost is least: midway to the next point, as elsewhere in the library. */
  cheapest(miss, alarm) {
    let best = { cost: Infinity, count: 0 };
    for (let count = 0; count <= this.p.length; count += 1) {
      const { fn, fp } = this.at(count);
      const cost = miss * fn + alarm * fp;
      if (cost < best.cost - 1e-12) best = { cost, count };
    }
    return { ...best, threshold: this.between(best.count) };
  }

  between(count) {
    if (!this.p.length) return 0.5;
    if (count === 0) return Math.min(1, this.p[0]) + 1e-6;
    if (count === this.p.length) return Math.max(0, this.p[count - 1] - 1e-6);
    return (this.p[count - 1] + this.p[count]) / 2;
  }

  /** Counts of points to draw a line through: all, or evenly so many. */
  some() {
    const last = this.p.length;
    if (last <= DRAWN) return Array.from({ length: last + 1 }, (_, at) => at);
    return Array.from({ length: DRAWN + 1 }, (_, at) => Math.round((at * last) / DRAWN));
  }

  histogram(bins) {
    const made = Array.from({ length: bins }, () => [0, 0]);
    for (let at = 0; at < this.p.length; at += 1) {
      const bin = Math.min(bins - 1, Math.max(0, Math.floor(this.p[at] * bins)));
      made[bin][0] += this.tp[at] - (at ? this.tp[at - 1] : 0);
      made[bin][1] += this.fp[at] - (at ? this.fp[at - 1] : 0);
    }
    return made;
  }
}

function rates({ tp, fp, fn, tn }) {
  const recall = tp / (tp + fn);
  const specificity = tn / (tn + fp);
  return {
    precision: tp / (tp + fp), recall, specificity,
    "balanced accuracy": (recall + specificity) / 2,
    F1: (2 * tp) / (2 * tp + fp + fn), flagged: (tp + fp) / (tp + fp + fn + tn),
  };
}

/** A small diagram on the unit square, drawn in the colours of the page. */
class Chart {
  constructor(title, across, up, pick) {
    this.node = element("figure", "chart");
    this.caption = element("figcaption", "", title);
    this.title = title;
    this.note = element("span", "chart-note");
    this.caption.append(this.note);
    this.svg = svg("svg", { viewBox: "0 0 250 190", role: "img" });
    this.node.append(this.caption, this.svg);
    const axes = svg("g", { class: "vcplab-detect-axes" });
    for (const tick of [0, 0.5, 1]) {
      const x = this.x(tick);
      const y = this.y(tick);
      axes.append(svg("line", { x1: x, x2: x, y1: this.y(0), y2: this.y(1) }),
        svg("line", { x1: this.x(0), x2: this.x(1), y1: y, y2: y }),
        svg("text", { x, y: 168, "text-anchor": "middle" }, String(tick)));
      if (up) {
        axes.append(svg("text", { x: 29, y: y + 4, "text-anchor": "end",
          class: tick === 0.5 ? "vcplab-detect-half" : "" }, String(tick)));
      }
    }
    axes.append(svg("text", { x: this.x(0.5), y: 184, "text-anchor": "middle" }, across));
    if (up) {
      axes.append(svg("text", { x: -this.y(0.5), y: 9, transform: "rotate(-90)",
        "text-anchor": "middle" }, up));
    }
    this.content = svg("g");
    this.marks = svg("g");
    this.svg.append(axes, this.content, this.marks);
    if (pick) {
      this.svg.classList.add("vcplab-detect-picks");
      this.svg.addEventListener("click", (event) => {
        const box = this.svg.getBoundingClientRect();
        const scale = Math.min(box.width / 250, box.height / 190) || 1;
        const left = (box.width - 250 * scale) / 2;
        const top = (box.height - 190 * scale) / 2;
        pick(((event.clientX - box.left - left) / scale - 34) / 206,
          1 - ((event.clientY - box.top - top) / scale - 8) / 146);
      });
    }
  }

  x(value) {
    return Math.round(10 * (34 + 206 * value)) / 10;
  }

  y(value) {
    return Math.round(10 * (8 + 146 * (1 - value))) / 10;
  }

  line(points, name, step) {
    const at = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    const path = at.map(([x, y], n) => {
      if (!n) return `M${this.x(x)} ${this.y(y)}`;
      return step ? `V${this.y(y)}H${this.x(x)}` : `L${this.x(x)} ${this.y(y)}`;
    });
    return svg("path", { d: path.join(""), class: `vcplab-detect-${name}` });
  }

  dot(x, y, name = "now", r = 5) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) return svg("g");
    return svg("circle", { cx: this.x(x), cy: this.y(y), r, class: `vcplab-detect-${name}` });
  }

  rule(x, name = "now-rule") {
    const at = this.x(Math.min(1, Math.max(0, x)));
    return svg("line", { x1: at, x2: at, y1: this.y(0), y2: this.y(1),
      class: `vcplab-detect-${name}` });
  }

  bar(x, width, bottom, top, name) {
    const height = Math.max(0, this.y(bottom) - this.y(top));
    return svg("rect", { x: this.x(x) + 0.7, y: this.y(top),
      width: Math.max(0.5, 206 * width - 1.4), height, class: `vcplab-detect-${name}` });
  }

  empty(why) {
    this.content.replaceChildren(svg("text", { x: this.x(0.5), y: this.y(0.5),
      "text-anchor": "middle", class: "vcplab-detect-none" }, why));
    this.marks.replaceChildren();
    this.tell("", why);
  }

  tell(note, words) {
    say(this.note, note);
    this.svg.setAttribute("aria-label", `${this.title}. ${words}`);
  }
}

/** What the views of one widget share; it lives as long as the widget. */
function shared() {
  const state = {
    board: null, place: 0, systems: new Map(), thresholds: new Map(), at: null, asked: {},
    sample: null, difference: null, opened: null, labels: new Map(), miss: 1, alarm: 1,
    trouble: "", pending: new Map(), listeners: new Set(), views: 0, viewer: identifier(),
    requests: 0, waiting: false, patience: null,
  };
  let model = null;
  let rest = null;

  function tell(what) {
    for (const listener of state.listeners) listener(what);
  }

  function ask(kind, fields) {
    const request = (state.requests += 1);
    // Of what is asked of one kind only the newest counts.
    if (kind !== "label" && kind !== "export") state.pending.delete(kind);
    state.pending.set(kind, request);
    clearTimeout(state.patience);
    state.patience = setTimeout(() => {
      if (!state.pending.size) return;
      state.waiting = true;
      tell("waits");
    }, PATIENCE);
    model.send({ kind, viewer: state.viewer, request, ...fields });
  }

  function download(message) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([message.text], { type: "text/plain" }));
    link.download = message.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const act = {
    get system() {
      return state.systems.get(state.place) ?? null;
    },

    get threshold() {
      return state.thresholds.get(state.place) ?? state.board?.systems[state.place].threshold ?? 0.5;
    },

    choose(place) {
      state.place = place;
      state.at = state.sample = state.difference = null;
      if (state.systems.has(place)) {
        tell("system");
        act.begin();
      } else ask("system", { place });
    },

    begin() {
      act.look();
      if (state.opened !== null) ask("sample", act.one);
    },

    get one() {
      return { place: state.place, at: state.opened, threshold: act.threshold };
    },

    /** Move the threshold; the kernel is asked once it rests. */
    move(threshold, from) {
      if (!Number.isFinite(threshold)) return;
      state.thresholds.set(state.place, threshold);
      tell(from === "number" ? "typed" : "threshold");
      clearTimeout(rest);
      rest = setTimeout(() => act.look({ page: 0 }), PAUSE);
    },

    look(changes) {
      Object.assign(state.asked, changes);
      ask("at", { place: state.place, threshold: act.threshold, ...state.asked });
    },

    open(at) {
      state.opened = at;
      state.difference = null;
      tell("opened");
      ask("sample", act.one);
    },

    compare() {
      ask("difference", act.one);
    },

    label(at, fields) {
      ask("label", { place: state.place, at, threshold: act.threshold, ...fields });
    },

    save(format) {
      ask("export", { format });
    },

    cost(name, value) {
      if (!Number.isFinite(value) || value < 0) return;
      state[name] = value;
      tell("cost");
    },
  };

  function take(message, buffers) {
    if (message.kind === "labelled") {
      // Told to all pages: what one of them said.
      if (message.label) state.labels.set(message.at, message.label);
      else state.labels.delete(message.at);
    }
    const mine = message.viewer === state.viewer;
    const newest = state.pending.get(message.to) === message.request;
    if (mine && newest) {
      state.pending.delete(message.to);
      if (!state.pending.size) state.waiting = false;
    }
    if (message.kind === "labelled") {
      tell("labelled");
      if (state.asked.list === "relabelled") act.look();
      tell("waits");
      return;
    }
    if (!mine || (!newest && message.to !== "export")) return;
    state.trouble = message.kind === "problem" ? message.text : "";
    if (message.kind === "board") {
      state.board = message;
      state.place = message.first;
      state.asked = { by: message.columns.includes("type") ? "type" : message.columns[0] ?? "",
        list: "errors", order: "surest", query: "", page: 0 };
      for (const label of message.labels) state.labels.set(label.at, label);
      act.choose(message.first);
    } else if (message.kind === "system") {
      state.systems.set(message.place, { ...message, points: new Points(message, buffers) });
      if (message.place === state.place) act.begin();
    } else if (message.kind === "at") {
      state.at = message;
      state.asked.page = message.rows.page;
    } else if (message.kind === "sample") {
      if (message.place !== state.place || message.at !== state.opened) return;
      state.sample = message;
    } else if (message.kind === "difference") {
      if (message.place === state.place && message.at === state.opened) state.difference = message;
    } else if (message.kind === "file") download(message);
    tell(message.kind);
    tell("waits");
  }

  return {
    initialize({ model: given }) {
      model = given;
      model.on("msg:custom", take);
      return () => model.off("msg:custom", take);
    },
    render({ el }) {
      const leave = render(state, act, el);
      if ((state.views += 1) === 1 && !state.board) ask("ready", {});
      return () => {
        leave();
        state.views -= 1;
      };
    },
  };
}

/** The threshold, the four numbers it makes, and what they cost. */
class Desk {
  constructor(state, act) {
    Object.assign(this, { state, act });
    this.node = element("section", "desk");
    this.node.setAttribute("aria-label", "Threshold");
    const id = `vcplab-detect-${(unique += 1)}`;
    this.slider = element("input", "slider");
    Object.assign(this.slider, { type: "range", min: "0", max: "1", step: "0.001", id });
    this.slider.addEventListener("input", () => act.move(Number(this.slider.value)));
    this.number = element("input", "number");
    Object.assign(this.number, { type: "number", min: "0", max: "1", step: "any" });
    this.number.setAttribute("aria-label", "Threshold as a number");
    this.number.addEventListener("input", () => {
      if (this.number.value !== "") act.move(Number(this.number.value), "number");
    });
    this.number.addEventListener("change", () => this.draw());
    const label = element("label", "title", "Flagged from p ≥");
    label.htmlFor = id;
    const step = (text, title, direction) => {
      const made = button("step", text, () => {
        const next = act.system?.points.next(act.threshold, direction);
        if (next !== null && next !== undefined) act.move(next);
      });
      made.title = title;
      made.setAttribute("aria-label", title);
      return made;
    };
    this.back = button("", "", () => act.move(state.board.systems[state.place].threshold));
    const line = element("div", "line");
    line.append(label, this.number, step("−", "Flag less: to the next operating point", -1),
      step("+", "Flag more: to the next operating point", 1), this.back);
    this.chosen = element("p", "about");
    const left = element("div", "threshold");
    left.append(line, this.slider, this.chosen);

    this.table = element("table", "matrix");
    this.cells = {};
    this.matrix();
    this.metrics = element("dl", "metrics");
    this.values = {};
    for (const [name, about] of Object.entries(MEANS)) {
      const box = element("div", "metric");
      box.title = about;
      this.values[name] = element("dd");
      this.values[name].dataset.metric = name;
      box.append(element("dt", "", name), this.values[name]);
      this.metrics.append(box);
    }
    const numbers = element("div", "numbers");
    numbers.append(this.table, this.metrics);
    this.node.append(left, numbers, this.costs());
  }

  matrix() {
    const head = this.table.appendChild(element("thead")).appendChild(element("tr"));
    for (const text of ["", "flagged", "passed"]) {
      const cell = head.appendChild(element(text ? "th" : "td", "", text));
      if (text) cell.scope = "col";
    }
    const body = this.table.appendChild(element("tbody"));
    const rows = [["hallucinated", [["tp", "hits", "hits"], ["fn", "misses", "misses"]]],
      ["faithful", [["fp", "false alarms", "false alarms"], ["tn", "rightly passed", "passes"]]]];
    for (const [title, cells] of rows) {
      const row = body.appendChild(element("tr"));
      row.appendChild(element("th", "", title)).scope = "row";
      for (const [name, words, list] of cells) {
        const made = button("count", "", () => this.act.look({ list, page: 0 }));
        made.title = `List the ${words}`;
        made.dataset.cell = name;
        this.cells[name] = [element("b"), element("span", "small")];
        made.append(...this.cells[name], element("span", "small", words));
        row.appendChild(element("td")).append(made);
      }
    }
    this.table.setAttribute("aria-label", "Confusion matrix");
  }

  costs() {
    const box = element("div", "costs");
    const field = (text, name) => {
      const made = element("input", "cost");
      Object.assign(made, { type: "number", min: "0", step: "any", value: String(this.state[name]) });
      made.addEventListener("input", () => {
        if (made.value !== "") this.act.cost(name, Number(made.value));
      });
      this[name] = made;
      return labelled(text, made);
    };
    const line = element("div", "line");
    line.append(field("A miss costs", "miss"), field("a false alarm costs", "alarm"));
    this.cost = element("p", "cost-now");
    this.least = element("span");
    this.go = button("", "Go there", () => {
      this.act.move(this.act.system.points.cheapest(this.state.miss, this.state.alarm).threshold);
    });
    const best = element("p", "least");
    best.append(this.least, " ", this.go);
    box.append(line, this.cost, best, element("p", "about",
      "Least on these very samples, which flatters. Choose a threshold on others before you " +
      "report it: compare(…, threshold=\"dev\")."));
    return box;
  }

  draw(typed) {
    const { state, act } = this;
    const { threshold, system } = act;
    if (!system) return;
    const told = state.board.systems[state.place];
    this.slider.value = String(threshold);
    this.slider.setAttribute("aria-valuetext", brief(threshold));
    if (!typed) this.number.value = brief(threshold);
    this.back.textContent = `Back to ${brief(told.threshold)}`;
    this.back.disabled = threshold === told.threshold;
    say(this.chosen, `${brief(told.threshold)}: ${told.chosen}.${system.several_thresholds
      ? " The comparison has a threshold for each fold; here it is their median for all." : ""}${
      system.calibrated ? "" : " This p only ranks: it is not calibrated."}`);
    const counts = system.points.at(system.points.above(threshold));
    const sums = { tp: counts.tp + counts.fn, fn: counts.tp + counts.fn,
      fp: counts.fp + counts.tn, tn: counts.fp + counts.tn };
    for (const [name, [count, part]] of Object.entries(this.cells)) {
      count.textContent = counts[name].toLocaleString("en");
      part.textContent = percent(counts[name] / sums[name]);
    }
    for (const [name, value] of Object.entries(rates(counts))) {
      this.values[name].textContent = share(value);
    }
    const cost = state.miss * counts.fn + state.alarm * counts.fp;
    const judged = system.judged || 1;
    say(this.cost, `Cost here: ${money(cost)} (${money(cost / judged)} a response)`);
    const best = system.points.cheapest(state.miss, state.alarm);
    say(this.least, `Least: ${money(best.cost)} at ${brief(best.threshold)}.`);
    this.go.disabled = cost <= best.cost + 1e-9;
    for (const name of ["miss", "alarm"]) {
      if (Number(this[name].value) !== state[name]) this[name].value = String(state[name]);
    }
  }
}

/** The six diagrams. */
class Charts {
  constructor(state, act) {
    Object.assign(this, { state, act });
    this.node = element("section", "charts");
    this.node.setAttribute("aria-label", "Curves");
    const near = (away) => (x, y) => {
      const points = act.system?.points;
      if (!points?.p.length) return;
      let best = [Infinity, 0];
      for (let count = 0; count <= points.p.length; count += 1) {
        const distance = away(rates(points.at(count)), x, y);
        if (distance < best[0]) best = [distance, count];
      }
      act.move(points.between(best[1]));
    };
    this.roc = new Chart("ROC", "false alarms among faithful", "recall",
      near((r, x, y) => (1 - r.specificity - x) ** 2 + (r.recall - y) ** 2));
    this.pr = new Chart("Precision and recall", "recall", "precision",
      near((r, x, y) => (r.recall - x) ** 2 + (r.precision - y) ** 2));
    this.bins = new Chart("Reliability", "predicted p", "observed share");
    this.risk = new Chart("Risk and coverage", "answered, surest first", "errors among them");
    const along = (x) => act.move(Math.min(1, Math.max(0, x)));
    this.cost = new Chart("Cost by threshold", "threshold", "cost / most", along);
    this.spread = new Chart("Where p lies", "p", "", along);
    const all = [this.roc, this.pr, this.bins, this.risk, this.cost, this.spread];
    this.node.append(...all.map((chart) => chart.node));
    this.all = all;
  }

  /** What does not move with the threshold. */
  draw() {
    const { system } = this.act;
    if (!system) return;
    const { points } = system;
    if (!points.p.length) {
      for (const chart of this.all) chart.empty("nothing was judged");
      return;
    }
    const some = points.some().map((count) => rates(points.at(count)));
    const both = points.positives && points.negatives;
    if (both) {
      this.roc.content.replaceChildren(this.roc.line([[0, 0], [1, 1]], "chance"),
        this.roc.line(some.map((r) => [1 - r.specificity, r.recall]), "curve"));
      const base = points.positives / system.judged;
      this.pr.content.replaceChildren(this.pr.line([[0, base], [1, base]], "chance"),
        this.pr.line(some.slice(1).map((r) => [r.recall, r.precision]), "curve"));
      this.roc.tell(`area ${share(system.auroc)}`, `Area ${share(system.auroc)}; chance is .5.`);
      this.pr.tell(`chance ${share(base)}`, `Chance is ${share(base)}.`);
    } else {
      this.roc.empty("needs both classes");
      this.pr.empty("needs both classes");
    }
    this.drawBins(system);
    this.drawSpread(points);
    this.drawCost();
    this.move();
    this.drawRisk();
  }

  drawBins(system) {
    const chart = this.bins;
    const most = Math.max(...system.reliability.map(([, , n]) => n), 1);
    const made = [chart.line([[0, 0], [1, 1]], "chance")];
    for (const [p, , n] of system.reliability) {
      const bin = Math.min(9, Math.floor(p * 10 + 1e-9)) / 10;
      made.push(chart.bar(bin, 0.1, 0, 0.28 * (n / most), "bar"));
    }
    made.push(chart.line(system.reliability, "curve"));
    for (const [p, seen, n] of system.reliability) {
      const dot = chart.dot(p, seen, "bin", 2.5 + 3 * Math.sqrt(n / most));
      dot.append(svg("title", {}, `p ${share(p)}, observed ${share(seen)}, ${plural(n, "sample")}`));
      made.push(dot);
    }
    chart.content.replaceChildren(...made);
    const error = system.ece === null ? "not calibrated" : `ECE ${share(system.ece)}`;
    chart.tell(error, `${error}. ${system.reliability.map(([p, seen, n]) =>
      `Predicted ${share(p)}, observed ${share(seen)} of ${n}`).join("; ")}.`);
  }

  drawSpread(points) {
    const chart = this.spread;
    const bins = points.histogram(20);
    const most = Math.max(...bins.map(([bad, good]) => Math.max(bad, good)), 1);
    chart.content.replaceChildren(chart.line([[0, 0.5], [1, 0.5]], "middle"),
      ...bins.flatMap(([bad, good], at) => [
        chart.bar(at / 20, 0.05, 0.5, 0.5 + (0.44 * bad) / most, "bad"),
        chart.bar(at / 20, 0.05, 0.5 - (0.44 * good) / most, 0.5, "good"),
      ]),
      svg("text", { x: chart.x(0.01), y: chart.y(0.93), class: "vcplab-detect-name" }, "hallucinated"),
      svg("text", { x: chart.x(0.01), y: chart.y(0.02), class: "vcplab-detect-name" }, "faithful"));
    chart.tell("", `Histogram of p: above hallucinated, below faithful, at most ${most} in a bin.`);
  }

  drawCost() {
    const { system } = this.act;
    if (!system?.points.p.length) return;
    const { points } = system;
    const { miss, alarm } = this.state;
    const cost = (count) => miss * points.at(count).fn + alarm * points.at(count).fp;
    const counts = points.some();
    const most = Math.max(...counts.map(cost), 1e-12);
    this.most = most;
    // From the left: the threshold rises, so fewer are flagged.
    const line = counts.slice().reverse().map((count) => [
      count ? Math.min(1, Math.max(0, points.p[count - 1])) : 1, cost(count) / most]);
    const best = points.cheapest(miss, alarm);
    this.cost.content.replaceChildren(this.cost.line([[0, line[0][1]], ...line], "curve", true),
      this.cost.dot(Math.min(1, Math.max(0, best.threshold)), best.cost / most, "best", 5));
    this.cost.tell(`least at ${brief(best.threshold)}`,
      `Least ${money(best.cost)} at ${brief(best.threshold)}, most ${money(most)}.`);
  }

  drawRisk() {
    const { at } = this.state;
    const { system } = this.act;
    if (!system?.judged) return;
    if (!at?.risk.length) {
      this.risk.content.replaceChildren();
      return;
    }
    const last = at.risk[at.risk.length - 1][1];
    this.risk.content.replaceChildren(this.risk.line([[0, last], [1, last]], "chance"),
      this.risk.line(at.risk, "curve"));
    this.risk.tell(`${share(last)} for all`,
      `Answering all, ${share(last)} are wrong; answering the surer half, ${
        share(at.risk[Math.floor((at.risk.length - 1) / 2)][1])}.`);
  }

  /** What does. */
  move() {
    const { system, threshold } = this.act;
    if (!system?.points.p.length) return;
    const counts = system.points.at(system.points.above(threshold));
    const r = rates(counts);
    if (system.points.positives && system.points.negatives) {
      this.roc.marks.replaceChildren(this.roc.dot(1 - r.specificity, r.recall));
      this.pr.marks.replaceChildren(this.pr.dot(r.recall, r.precision));
    }
    this.bins.marks.replaceChildren(this.bins.rule(threshold));
    this.spread.marks.replaceChildren(this.spread.rule(threshold));
    const cost = this.state.miss * counts.fn + this.state.alarm * counts.fp;
    this.cost.marks.replaceChildren(this.cost.rule(threshold),
      this.cost.dot(Math.min(1, Math.max(0, threshold)), cost / (this.most || 1)));
  }
}

function badge(kind) {
  const made = element("span", "badge");
  made.dataset.kind = kind;
  const sign = element("span", "sign", KINDS[kind] ?? "");
  sign.setAttribute("aria-hidden", "true");
  made.append(sign, kind);
  return made;
}

/** Pieces of a text as nodes, each with the marks that lie on it. */
function pieces(given, titles) {
  return given.map((piece) => {
    const gold = piece.gold ?? [];
    const found = piece.found ?? [];
    const remark = piece.remark ?? [];
    const near = piece.near ?? [];
    if (!gold.length && !found.length && !remark.length && !near.length) {
      return piece.cut ? element("span", "faint", piece.text) : document.createTextNode(piece.text);
    }
    const made = element("mark", "span", piece.text);
    if (gold.length) made.dataset.gold = "";
    if (found.length) made.dataset.found = "";
    if (remark.length) made.dataset.remark = "";
    if (near.length) made.dataset.near = "";
    const words = [...gold.map((type) => `gold: ${type}`),
      ...[...new Set([...found, ...remark, ...near])].map((n) => titles?.[n] ?? "found")];
    made.title = words.join("\n");
    return made;
  });
}

function table(titles, rows, name) {
  const made = element("table", "table");
  made.setAttribute("aria-label", name);
  const head = made.appendChild(element("thead")).appendChild(element("tr"));
  for (const title of titles) head.appendChild(element("th", "", title)).scope = "col";
  const body = made.appendChild(element("tbody"));
  for (const row of rows) {
    const line = body.appendChild(element("tr"));
    row.forEach((cell, at) => {
      const made = line.appendChild(element(at ? "td" : "th"));
      if (!at) made.scope = "row";
      if (cell instanceof Node) made.append(cell);
      else made.textContent = cell;
    });
  }
  const box = element("div", "wide");
  box.append(made);
  return box;
}

/** The list of samples, a page at a time. */
class List {
  constructor(state, act) {
    Object.assign(this, { state, act });
    this.node = element("div", "list");
    this.which = element("select");
    this.which.addEventListener("change", () => act.look({ list: this.which.value, page: 0 }));
    this.order = element("select");
    this.order.addEventListener("change", () => act.look({ order: this.order.value, page: 0 }));
    this.query = element("input");
    Object.assign(this.query, { type: "search", placeholder: "Search text, id, type" });
    this.query.setAttribute("aria-label", "Search");
    let timer = null;
    this.query.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => act.look({ query: this.query.value.trim(), page: 0 }), 250);
    });
    this.which.setAttribute("aria-label", "Which samples");
    this.order.setAttribute("aria-label", "Order");
    const bar = element("div", "bar");
    bar.append(this.which, this.order, this.query);
    this.found = element("p", "found");
    this.found.setAttribute("role", "status");
    this.rows = element("ol", "rows");
    this.rows.setAttribute("aria-label", "Samples");
    this.rows.addEventListener("keydown", (event) => this.keys(event));
    this.before = button("", "‹ Before", () => this.turn(-1));
    this.after = button("", "After ›", () => this.turn(1));
    this.page = element("span", "faint");
    this.pager = element("div", "pager");
    this.pager.append(this.before, this.page, this.after);
    this.node.append(bar, this.found, this.rows, this.pager);
  }

  turn(by) {
    this.act.look({ page: (this.state.at?.rows.page ?? 0) + by });
  }

  keys(event) {
    const buttons = [...this.rows.querySelectorAll("button")];
    const at = buttons.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.min(buttons.length - 1, Math.max(0, to))].focus();
  }

  fill() {
    const { board, asked } = this.state;
    options(this.which, board.lists.map((name) => [name, LISTS[name] ?? name]), asked.list);
    options(this.order, board.orders.map((name) => [name, ORDERS[name] ?? name]), asked.order);
  }

  draw() {
    const { at } = this.state;
    if (!at) {
      say(this.found, "");
      return;
    }
    const { rows } = at;
    this.which.value = rows.list;
    this.order.value = rows.order;
    const first = rows.page * rows.size + 1;
    say(this.found, rows.total ? `${plural(rows.total, "sample")}${rows.pages > 1
      ? `, ${first} to ${first + rows.rows.length - 1} shown` : ""}` : "None.");
    const focused = this.rows.contains(document.activeElement)
      ? document.activeElement.dataset.at : undefined;
    this.rows.replaceChildren(...rows.rows.map((row) => this.row(row)));
    this.choose();
    if (focused !== undefined) this.rows.querySelector(`[data-at="${Number(focused)}"]`)?.focus();
    this.pager.hidden = rows.pages < 2;
    this.before.disabled = rows.page === 0;
    this.after.disabled = rows.page >= rows.pages - 1;
    say(this.page, `page ${rows.page + 1} of ${rows.pages}`);
  }

  row(row) {
    const made = button("row", "", () => this.act.open(row.at));
    made.dataset.at = String(row.at);
    const top = element("span", "row-top");
    top.append(badge(row.kind), element("span", "row-p", row.p === null ? "" : `p ${share(row.p)}`),
      element("span", "faint", row.types), element("span", "mine", ""));
    made.append(top, element("span", "row-text", row.text));
    made.title = row.id;
    const item = element("li");
    item.append(made);
    return item;
  }

  /** Which one is open, and which have a label of the reader's. */
  choose() {
    for (const made of this.rows.querySelectorAll("button")) {
      const at = Number(made.dataset.at);
      made.setAttribute("aria-current", String(at === this.state.opened));
      const label = this.state.labels.get(at);
      made.querySelector(".vcplab-detect-mine").textContent = label ? `✎ ${verdict(label.label)}` : "";
    }
  }
}

function verdict(label) {
  return label === null ? "cannot tell" : label ? "hallucinated" : "faithful";
}

/** One sample, opened. */
class Detail {
  constructor(state, act) {
    Object.assign(this, { state, act });
    this.node = element("article", "detail");
    this.node.tabIndex = -1;
    this.node.setAttribute("aria-label", "Opened sample");
    this.hint();
  }

  hint() {
    this.node.replaceChildren(element("p", "empty", "Choose a sample from the list to see why."));
  }

  draw() {
    const { sample } = this.state;
    if (!sample) {
      if (this.state.opened === null) this.hint();
      return;
    }
    const titles = sample.findings.map((f) => [f.rule, f.type, f.reason].filter(Boolean).join(": "));
    const head = element("header", "head-of");
    this.badge = badge("pass");
    this.drawBadge();
    head.append(this.badge, element("span", "", sample.p === null ? "no p" : `p ${brief(sample.p)}`),
      element("code", "id", sample.id));
    for (const [name, value] of sample.facts) {
      const fact = element("span", "fact", value);
      fact.title = name;
      head.append(fact);
    }
    const made = [head];
    if (sample.abstained) made.push(this.note("It abstains", sample.abstained));
    if (sample.question) made.push(this.part("Asked", element("p", "text", sample.question)));
    const response = element("p", "text response");
    response.append(...pieces(sample.response, titles));
    made.push(this.part("Response", response, this.legend(sample)));
    if (sample.correction !== null) {
      made.push(this.part("Should read", element("p", "text", sample.correction)));
    }
    made.push(this.findings(sample), this.sources(sample, titles), this.contributions(sample));
    this.change = element("div", "change");
    if (sample.suppresses) made.push(this.change);
    this.form = this.relabel(sample);
    made.push(this.form);
    this.node.replaceChildren(...made.filter(Boolean));
    this.drawChange();
    this.drawLabel();
    this.node.scrollTop = 0;
  }

  /** What became of it at the threshold as it stands. */
  drawBadge() {
    const { sample } = this.state;
    if (!sample || !this.badge) return;
    const flagged = sample.p >= this.act.threshold;
    const kind = sample.p === null ? "abstained" : sample.label === null ? "unlabelled"
      : flagged ? (sample.label ? "hit" : "false alarm") : sample.label ? "miss" : "pass";
    const made = badge(kind);
    this.badge.replaceWith(made);
    this.badge = made;
  }

  part(title, ...content) {
    const made = element("section", "part");
    made.append(element("h4", "", title), ...content);
    return made;
  }

  note(title, text) {
    return this.part(title, element("p", "note", text));
  }

  legend(sample) {
    const made = element("p", "legend");
    const key = (words, ...marks) => {
      const sign = element("mark", "span", "abc");
      sign.setAttribute("aria-hidden", "true");
      for (const mark of marks) sign.dataset[mark] = "";
      const item = element("span", "key");
      item.append(sign, words);
      made.append(item);
    };
    if (sample.annotated) key("gold", "gold");
    if (sample.response.some((piece) => piece.found)) key("found", "found");
    if (sample.response.some((piece) => piece.found && piece.gold)) key("both", "gold", "found");
    if (sample.response.some((piece) => piece.remark)) key("remark on style", "remark");
    if (!sample.annotated) made.append(element("span", "faint", "Nobody annotated spans here."));
    return made;
  }

  findings(sample) {
    const list = element("ol", "findings");
    for (const finding of sample.findings) {
      const item = list.appendChild(element("li", "finding"));
      const top = element("div", "finding-top");
      top.append(element("q", "quote", finding.quote), element("code", "rule", finding.rule));
      if (finding.type) top.append(element("span", "fact", finding.type));
      top.append(element("span", "faint", finding.p === null ? "a remark, not counted"
        : `p ${brief(finding.p)}, ${finding.severity}`));
      item.append(top);
      if (finding.reason) item.append(element("div", "reason", finding.reason));
      if (finding.suggestion !== null) {
        const line = element("div", "suggestion", "Suggested: ");
        line.append(element("q", "quote", finding.suggestion || "(nothing)"));
        item.append(line);
      }
      for (const evidence of finding.evidence) {
        const box = element("blockquote", "evidence", evidence.text);
        box.append(element("cite", "", ` ${evidence.where}`));
        item.append(box);
      }
    }
    const more = sample.more ? [element("p", "faint", `and ${sample.more} more`)] : [];
    const none = sample.findings.length ? list : element("p", "faint", "It points at nothing.");
    return this.part("What it points at", none, ...more);
  }

  sources(sample, titles) {
    if (!sample.sources.length) return this.note("Sources", "There are none.");
    const made = element("details", "sources");
    made.open = sample.sources.reduce((sum, source) => sum + source.pieces.reduce(
      (length, piece) => length + piece.text.length, 0), 0) < 1500;
    made.append(element("summary", "", `Sources (${sample.sources.length})`));
    for (const source of sample.sources) {
      const text = element("p", "text source");
      text.append(element("span", "faint", `${source.name} `), ...pieces(source.pieces, titles));
      made.append(text);
    }
    return made;
  }

  contributions(sample) {
    const { of, rows, more, note } = sample.contributions;
    const said = note ? [element("p", "note", note)] : [];
    if (of === "nothing") return note ? this.part("Why this p", ...said) : null;
    const most = Math.max(...rows.map((row) => Math.abs(row[2] ?? 0)), 1e-12);
    const made = element("table", "why");
    for (const [name, value, part] of rows) {
      const line = made.appendChild(element("tr"));
      line.appendChild(element("th", "", name)).scope = "row";
      line.appendChild(element("td", "value", value === null ? "" : String(Number(value.toPrecision(3)))));
      if (part === null) continue;
      line.appendChild(element("td", "value", `${part > 0 ? "+" : "−"}${Math.abs(part).toFixed(2)}`));
      const bar = element("span", "part-bar");
      bar.dataset.sign = part > 0 ? "up" : "down";
      bar.style.width = `${(50 * Math.abs(part)) / most}%`;
      line.appendChild(element("td", "bars")).append(bar);
    }
    const isPart = of === "contributions";
    const about = isPart ? "Feature, its value, and what that adds to the log-odds of an average " +
      "response: to the right, more hallucinated." : "What it measured. It does not say what each adds.";
    const rest = more > 0 ? [element("p", "faint", `and ${more} smaller ones`)] : [];
    return this.part("Why this p", ...said, element("p", "about", about), made, ...rest);
  }

  drawChange() {
    const { sample, difference } = this.state;
    if (!sample?.suppresses || !this.change) return;
    if (!difference) {
      const run = button("", "Show before and after", () => {
        run.disabled = true;
        this.act.compare();
      });
      this.change.replaceChildren(this.part("What it would change", run));
      return;
    }
    const text = element("p", "text diff");
    for (const piece of difference.pieces) {
      if (piece.op === "same") text.append(piece.text);
      else text.append(element(piece.op === "out" ? "del" : "ins", "", piece.text));
    }
    const list = element("ul", "changes");
    for (const change of difference.changes) {
      const item = list.appendChild(element("li"));
      item.append(element("span", "fact", change.policy), " ",
        change.old ? element("del", "", change.old) : "", change.old && change.new ? " → " : "",
        change.new ? element("ins", "", change.new) : "", " ",
        element("span", "faint", [change.rule, change.reason].filter(Boolean).join(": ")));
      if (change.gold !== null) {
        const on = element("span", "on", change.gold ? "✓ on a gold span" : "✗ on text that was right");
        on.dataset.gold = String(change.gold);
        item.append(" ", on);
      }
    }
    this.change.replaceChildren(difference.changed
      ? this.part("What it would change", text, list)
      : this.note("What it would change", "Nothing."));
  }

  relabel(sample) {
    const form = element("form", "relabel");
    const set = element("fieldset");
    set.append(element("legend", "", "I say it is"));
    this.radios = [[true, "hallucinated"], [false, "faithful"], [null, "cannot tell"]].map(
      ([value, text]) => {
        const radio = element("input");
        Object.assign(radio, { type: "radio", name: `vcplab-detect-${(unique += 1)}`, value: text });
        const label = element("label", "radio");
        label.append(radio, text);
        set.append(label);
        return [value, radio];
      });
    for (const [, radio] of this.radios) radio.name = this.radios[0][1].name;
    this.text = element("textarea", "remark");
    Object.assign(this.text, { rows: 1, maxLength: 4000, placeholder: "Why (optional)" });
    this.text.setAttribute("aria-label", "Note");
    const save = element("button", "main", "Keep");
    save.type = "submit";
    this.forget = button("", "Take back", () => this.act.label(sample.at, { forget: true }));
    this.kept = element("span", "faint");
    this.kept.setAttribute("role", "status");
    const line = element("div", "line");
    line.append(save, this.forget, this.kept);
    const was = sample.label === null ? "The data set has no label."
      : `The data set says ${verdict(sample.label)}.`;
    const top = element("header");
    top.append(element("h4", "", "Your label"), element("span", "about", was));
    form.append(top, set, this.text, line);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = this.radios.find(([, radio]) => radio.checked);
      if (!chosen) {
        say(this.kept, "Choose one first.");
        return;
      }
      say(this.kept, "Keeping…");
      this.act.label(sample.at, { label: chosen[0], note: this.text.value });
    });
    return form;
  }

  drawLabel() {
    const { sample, labels } = this.state;
    if (!sample || !this.form) return;
    const label = labels.get(sample.at);
    this.forget.hidden = !label;
    say(this.kept, label ? `Kept: ${verdict(label.label)}` : "");
    if (label) {
      for (const [value, radio] of this.radios) radio.checked = value === label.label;
      this.text.value = label.note;
    }
  }
}

function slicePage(state, act) {
  const node = element("div", "page-in");
  const select = element("select");
  select.setAttribute("aria-label", "Parts by");
  select.addEventListener("change", () => act.look({ by: select.value }));
  const box = element("div");
  const line = element("div", "bar");
  line.append(labelled("Parts by", select));
  node.append(line, box, element("p", "about", "At this threshold. Believe the macro row, the mean " +
    "over parts, rather than the whole: what tells parts apart can look like skill."));
  return {
    node,
    fill: () => options(select, state.board.columns.map((name) => [name, name]), state.asked.by),
    draw: () => {
      const slices = state.at?.slices;
      if (!slices?.rows.length) {
        box.replaceChildren(element("p", "empty", "The data have no parts."));
        return;
      }
      select.value = slices.by;
      const rows = slices.rows.map(([name, samples, bad, ...rest]) => [name,
        (samples ?? 0).toLocaleString("en"), percent(bad ?? NaN), ...rest.map((v) => share(v ?? NaN))]);
      box.replaceChildren(table([slices.by, ...slices.measures], rows, "Parts of the data"));
    },
  };
}

function typePage(state, act) {
  const node = element("div", "page-in");
  return {
    node,
    draw: () => {
      const types = act.system?.types;
      if (!types?.gold.length) {
        node.replaceChildren(element("p", "empty",
          "There are no annotated spans that this detector judged."));
        return;
      }
      const rows = types.counts.map((counts, at) => {
        const sum = counts.reduce((a, b) => a + b, 0) || 1;
        return [types.gold[at], ...counts.map((count, to) => {
          const cell = element("span", "heat", count.toLocaleString("en"));
          cell.style.setProperty("--share", String(count / sum));
          cell.dataset.right = String(types.said[to] === types.gold[at]);
          return cell;
        })];
      });
      node.replaceChildren(table(["gold type", ...types.said], rows, "Types of spans"),
        element("p", "about", "How many gold spans of each type were found as what: the type of the " +
          "finding that overlaps most. Whatever the threshold."));
    },
  };
}

function labelPage(state, act) {
  const node = element("div", "page-in");
  const list = element("div");
  const jsonl = button("", "Save as JSONL", () => act.save("jsonl"));
  const csv = button("", "Save as CSV", () => act.save("csv"));
  const line = element("div", "bar");
  line.append(jsonl, csv);
  node.append(line, list, element("p", "about", "In the notebook: panel.labels, panel.export(\"labels.jsonl\"), " +
    "and panel.relabelled() for data to compare or calibrate on."));
  return {
    node,
    draw: () => {
      jsonl.disabled = csv.disabled = !state.labels.size;
      if (!state.labels.size) {
        list.replaceChildren(element("p", "empty", "None yet: open a sample and say what it is."));
        return;
      }
      const rows = [...state.labels.values()].map((label) => [
        button("link", label.id, () => act.open(label.at)),
        label.was === null ? "–" : verdict(label.was), verdict(label.label), label.note]);
      list.replaceChildren(table(["sample", "data set", "you", "note"], rows, "Your labels"));
    },
  };
}

function render(state, act, el) {
  const root = element("div");
  root.className = "vcplab-detect";
  el.replaceChildren(root);
  const head = element("header", "head");
  const title = element("span", "name");
  const choice = element("select");
  choice.setAttribute("aria-label", "Detector");
  choice.addEventListener("change", () => act.choose(Number(choice.value)));
  const status = element("span", "status", "Waiting for the kernel…");
  status.setAttribute("role", "status");
  head.append(choice, title, status);
  const alarm = element("div", "alarm");
  alarm.setAttribute("role", "alert");
  alarm.hidden = true;
  const body = element("div", "body");
  body.hidden = true;
  const desk = new Desk(state, act);
  const charts = new Charts(state, act);
  const list = new List(state, act);
  const detail = new Detail(state, act);
  const errors = element("div", "errors");
  errors.append(list.node, detail.node);
  const parts = slicePage(state, act);
  const types = typePage(state, act);
  const labels = labelPage(state, act);

  const tabs = element("div", "tabs");
  tabs.setAttribute("role", "tablist");
  const pages = [["Samples", errors], ["Parts", parts.node], ["Types", types.node],
    ["Your labels", labels.node]].map(([text, node], at, all) => {
    const id = `vcplab-detect-${(unique += 1)}`;
    const tab = button("tab", text, () => turn(at));
    tab.id = `${id}-tab`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", id);
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const to = (at + by + all.length) % all.length;
      turn(to);
      pages[to].tab.focus();
    });
    const page = element("div", "page");
    page.id = id;
    page.setAttribute("role", "tabpanel");
    page.setAttribute("aria-labelledby", tab.id);
    page.append(node);
    tabs.append(tab);
    return { tab, page };
  });
  function turn(to) {
    pages.forEach(({ tab, page }, at) => {
      tab.setAttribute("aria-selected", String(at === to));
      tab.tabIndex = at === to ? 0 : -1;
      page.hidden = at !== to;
    });
  }
  turn(0);
  body.append(desk.node, charts.node, tabs, ...pages.map(({ page }) => page));
  root.append(head, alarm, body);

  function drawBoard() {
    if (!state.board) return;
    options(choice, state.board.systems.map(({ name, kind }, at) => [
      String(at), kind === "baseline" ? `${name} (baseline)` : name]), String(state.place));
    say(title, state.board.title);
    list.fill();
    parts.fill();
  }

  function drawSystem() {
    const { system } = act;
    choice.value = String(state.place);
    body.hidden = !system;
    if (!system) return;
    desk.draw();
    charts.draw();
    types.draw();
    drawStatus();
  }

  function drawAt() {
    list.draw();
    parts.draw();
    charts.drawRisk();
  }

  function drawStatus() {
    const { system } = act;
    const told = [];
    if (system?.abstained) told.push(`abstains on ${system.abstained.toLocaleString("en")}`);
    if (system?.unlabelled) told.push(`${system.unlabelled.toLocaleString("en")} without a label`);
    status.dataset.waits = String(state.waiting);
    if (state.waiting) say(status, "Waiting for the kernel: it is busy");
    else if (!system) say(status, state.trouble ? "" : "Waiting for the kernel…");
    else say(status, told.length ? `${told.join(", ")}: not counted` : "");
    alarm.textContent = state.trouble;
    alarm.hidden = !state.trouble;
  }

  function drawLabels() {
    labels.draw();
    detail.drawLabel();
    list.choose();
    pages[3].tab.textContent = state.labels.size ? `Your labels (${state.labels.size})` : "Your labels";
  }

  const draws = {
    board: drawBoard,
    system: () => { drawSystem(); detail.draw(); },
    at: () => { if (body.hidden) drawSystem(); drawAt(); },
    threshold: () => { desk.draw(); charts.move(); detail.drawBadge(); },
    typed: () => { desk.draw(true); charts.move(); detail.drawBadge(); },
    cost: () => { desk.draw(); charts.drawCost(); charts.move(); },
    opened: () => { turn(0); list.choose(); },
    sample: () => detail.draw(),
    difference: () => detail.drawChange(),
    labelled: drawLabels,
    problem: () => detail.drawChange(),
    waits: drawStatus,
  };
  const listener = (what) => draws[what]?.();
  state.listeners.add(listener);
  // Keys typed here are not shortcuts of the notebook.
  root.addEventListener("keydown", (event) => event.stopPropagation());
  drawBoard();
  drawSystem();
  drawAt();
  detail.draw();
  drawLabels();
  drawStatus();
  return () => state.listeners.delete(listener);
}

// A function, so that every widget has a state of its own.
export default shared;
