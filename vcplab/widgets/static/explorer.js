// The retrieval explorer. Whatever documents, tags and queries say is set by textContent; nothing
// here is parsed as HTML. The kernel's half, and the messages, are in explorer.py.
const DEBOUNCE = 40; // ms between the last move of a slider and the question to the kernel
const ROWS = 150; // queries listed at once
const SVG = "http://www.w3.org/2000/svg";
const PARTS = ["table", "query", "why", "graph", "recall"];
let unique = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name.split(" ").map((word) => `vcplab-explorer-${word}`).join(" ");
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(name, text, act) {
  const made = element("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

function select(label, options, chosen, act) {
  const made = element("select");
  made.setAttribute("aria-label", label);
  options.forEach(([value, text]) => {
    const option = made.appendChild(element("option", "", text));
    option.value = String(value);
  });
  made.value = String(chosen);
  made.addEventListener("change", () => act(made.value));
  return made;
}

const number = (value, digits = 3) =>
  (value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^(-?)0\./, "$1."));
const signed = (value, shown = number) =>
  (value === null || value === undefined ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : "±"}${
    shown(Math.abs(value))}`);
const short = (value) =>
  (value === null || value === undefined ? "–" : value === 0 ? "0"
    : Math.abs(value) >= 0.001 ? Number(value.toPrecision(3)).toString() : value.toExponential(1));
const place = (rank) => (rank === null || rank === undefined ? "not listed" : `place ${rank + 1}`);

/** A stage's name without its parameters, where those would fill the line. */
const brief = (name) => (name.length > 16 ? name.replace(/^([\w ]{2,})\(.*\)$/s, "$1") : name);

function fragments(parts, into) {
  for (const [text, hit] of parts) into.append(hit ? element("mark", "", text) : text);
  return into;
}

/** One parameter: a slider with its number, a switch, or a choice. */
class Control {
  constructor(told, moved) {
    this.moved = (name, value) => {
      this.edited(value !== null && value !== this.told.given);
      moved(name, value);
    };
    this.id = `vcplab-explorer-${(unique += 1)}`;
    this.node = element("div", "control");
    this.node.dataset.name = told.name;
    const label = element("label", "label", told.label.replaceAll("_", " "));
    label.htmlFor = this.id;
    label.title = told.about ? `${told.name}: ${told.about}` : told.name;
    this.reset = button("reset", "↺", () => this.moved(this.told.name, null));
    this.reset.title = "As given";
    this.reset.setAttribute("aria-label", `${told.label} as given`);
    this.kind = told.kind;
    this.input = this.build(told);
    this.input.id = this.id;
    this.node.append(label, this.input);
    if (this.typed) this.node.append(this.typed);
    this.node.append(this.reset);
    this.show(told);
  }

  get slides() {
    return this.kind === "number" || this.kind === "integer";
  }

  build(told) {
    const say = (value) => this.moved(this.told.name, value);
    if (told.kind === "choice") {
      const made = element("select");
      told.choices.forEach((text, at) => {
        made.appendChild(element("option", "", text)).value = String(at);
      });
      made.addEventListener("change", () => say(Number(made.value)));
      return made;
    }
    const made = element("input");
    if (told.kind === "switch") {
      made.type = "checkbox";
      made.addEventListener("change", () => say(made.checked));
      return made;
    }
    made.type = "range";
    this.typed = element("input", "typed");
    this.typed.type = "number";
    this.typed.setAttribute("aria-label", `${told.label}, typed`);
    for (const field of [made, this.typed]) {
      field.min = told.minimum;
      field.max = told.maximum;
      field.step = told.step;
    }
    this.typed.step = "any";
    made.addEventListener("input", () => {
      this.typed.value = made.value;
      say(Number(made.value));
    });
    this.typed.addEventListener("change", () => {
      const value = this.typed.valueAsNumber;
      if (!Number.isFinite(value)) {
        this.typed.value = made.value;
        return;
      }
      made.value = String(value);
      say(this.kind === "integer" ? Math.round(value) : value);
    });
    return made;
  }

  /** What the kernel says it is; a slider that is being moved stays under the finger. */
  show(told) {
    this.told = told;
    if (this.kind === "switch") this.input.checked = told.value;
    else this.input.value = String(told.value);
    if (this.typed) this.typed.value = String(Number(told.value.toPrecision(6)));
    const known = told.given !== null && told.given !== undefined;
    this.edited(known && told.given !== told.value);
  }

  edited(is) {
    this.reset.style.visibility = is ? "visible" : "hidden";
    this.node.dataset.edited = String(is);
  }
}

/** The tag graph: pan by dragging or arrow keys, zoom by buttons, + and −, or Ctrl and the wheel. */
class Graph {
  constructor() {
    this.node = element("div", "graph");
    const bar = element("div", "bar");
    this.title = element("h4", "", "Tag graph");
    bar.append(this.title, element("span", "gap"));
    for (const [sign, label, factor] of [["−", "Zoom out", 1.3], ["+", "Zoom in", 1 / 1.3]]) {
      const made = button("zoom", sign, () => this.zoom(factor));
      made.setAttribute("aria-label", label);
      bar.append(made);
    }
    bar.append(button("zoom", "whole", () => this.whole()));
    this.svg = drawn("svg", { tabindex: "0", role: "img", class: "vcplab-explorer-canvas" });
    this.legend = element("div", "legend");
    for (const [kind, text] of [["seed", "seed of the query"], ["own", "tag of the memory"],
      ["path", "path of the energy"], ["other", "other tag"]]) {
      const item = element("span", "key");
      const dot = item.appendChild(element("i"));
      dot.dataset.kind = kind;
      item.append(text);
      this.legend.append(item);
    }
    this.told = element("p", "faint");
    this.node.append(bar, this.svg, this.legend, this.told);
    this.listen();
  }

  listen() {
    let from = null;
    this.svg.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, box: { ...this.box } };
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const size = this.svg.getBoundingClientRect();
      this.box.x = from.box.x - ((event.clientX - from.x) / size.width) * this.box.w;
      this.box.y = from.box.y - ((event.clientY - from.y) / size.height) * this.box.h;
      this.look();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.svg.addEventListener(name, () => {
        from = null;
      });
    }
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      const size = this.svg.getBoundingClientRect();
      this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, (event.clientX - size.left) / size.width,
        (event.clientY - size.top) / size.height);
    }, { passive: false });
    this.svg.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key in steps) {
        this.box.x += steps[event.key][0] * this.box.w * 0.1;
        this.box.y += steps[event.key][1] * this.box.h * 0.1;
        this.look();
      } else if (event.key === "+" || event.key === "=") this.zoom(1 / 1.3);
      else if (event.key === "-") this.zoom(1.3);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  zoom(factor, x = 0.5, y = 0.5) {
    const width = Math.min(2200, Math.max(60, this.box.w * factor));
    const scale = width / this.box.w;
    this.box.x += this.box.w * x * (1 - scale);
    this.box.y += this.box.h * y * (1 - scale);
    this.box.w = width;
    this.box.h *= scale;
    this.look();
  }

  whole() {
    this.box = { x: -45, y: -25, w: (this.size ?? 510) + 90, h: 350 };
    this.look();
  }

  look() {
    const { x, y, w, h } = this.box;
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
  }

  show(told) {
    const { nodes, edges, path } = told;
    const { clientWidth, clientHeight } = this.svg;
    const aspect = Math.min(2.4, Math.max(0.9, clientWidth / clientHeight || 1.7));
    this.size = 300 * aspect;
    const at = nodes.map((node) => [(node.x / 1.7) * this.size, node.y * 300]);
    const most = Math.max(1e-9, ...nodes.map((node) => node.energy));
    const onPath = new Map(path.map(([node], place) => [node, place]));
    const steps = new Set(path.slice(1).map(([node], i) => `${path[i][0]} ${node}`));
    this.svg.replaceChildren();
    for (const [a, b, weight] of edges) {
      const walked = steps.has(`${a} ${b}`) || steps.has(`${b} ${a}`);
      const line = drawn("line", { x1: at[a][0], y1: at[a][1], x2: at[b][0], y2: at[b][1],
        "stroke-width": walked ? 3.5 : 0.6 + 2 * weight });
      line.dataset.kind = walked ? "path" : "edge";
      this.svg.append(line);
    }
    // A path may take an edge that stands for a synonym: it is drawn all the same.
    path.slice(1).forEach(([node], i) => {
      const before = path[i][0];
      if (edges.some(([a, b]) => (a === before && b === node) || (b === before && a === node))) return;
      const line = drawn("line", { x1: at[before][0], y1: at[before][1], x2: at[node][0],
        y2: at[node][1], "stroke-width": 3.5, "stroke-dasharray": "5 4" });
      line.dataset.kind = "path";
      this.svg.append(line);
    });
    const names = [];
    nodes.forEach((node, i) => {
      const group = drawn("g", { transform: `translate(${at[i][0]} ${at[i][1]})` });
      const kind = onPath.has(i) ? "path" : node.own ? "own" : node.seed > 0 ? "seed" : "other";
      group.dataset.kind = kind;
      group.dataset.tag = node.name;
      const radius = 4 + 9 * Math.sqrt(node.energy / most);
      const circle = drawn("circle", { r: radius.toFixed(1) });
      circle.append(drawn("title", {}, `${node.name}: energy ${short(node.energy)}${
        node.seed > 0 ? `, seed ${short(node.seed)}` : ""}, in ${node.documents} documents`));
      if (node.seed > 0) group.append(drawn("circle", { r: (radius + 3).toFixed(1), class: "ring" }));
      group.append(circle);
      this.svg.append(group);
      names.push(drawn("text", { x: at[i][0], y: at[i][1] + radius + 11, "text-anchor": "middle" },
        node.name));
    });
    this.svg.append(...names); // above all circles
    const walk = path.map(([node, energy]) => `${nodes[node].name} ${short(energy)}`).join(" → ");
    const what = told.spreads ? "as this system spreads it" : "as the plain tag network spreads it; "
      + "this system does not use it";
    this.told.textContent = !nodes.length
      ? (told.tags ? "Nothing of the query is near a tag." : "The documents have no tags.")
      : `${nodes.length} of ${told.tags} tags; the larger, the more energy, ${what}.${
        walk ? ` Path: ${walk}.` : ""}`;
    this.svg.setAttribute("aria-label", `Tag graph. ${this.told.textContent}`);
    this.svg.style.display = this.legend.style.display = nodes.length ? "" : "none";
    this.whole();
  }
}

class Explorer {
  constructor(model, el) {
    this.model = model;
    this.root = element("div");
    this.root.className = "vcplab-explorer";
    el.append(this.root);
    this.view = `v${Math.random().toString(36).slice(2, 12)}`;
    this.seq = 0;
    this.state = { system: 0, beside: null, params: {}, metric: null, qid: null, text: "",
      docno: null, cutoff: 10, recall: false };
    this.sort = { by: "delta", down: true };
    this.filter = { text: "", kind: "", spot: null };
    this.rows = ROWS;
    this.answered = new Set();
    this.take = (message) => this.told(message);
    // Notebook shortcuts must not act on what is typed here.
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    model.on("msg:custom", this.take);
    this.root.append(element("p", "faint wait", "Waiting for the kernel…"));
    model.send({ kind: "open", view: this.view });
  }

  stop() {
    clearTimeout(this.timer);
    this.model.off("msg:custom", this.take);
  }

  // Asking and being told

  /** Ask for the state as it is now; what was asked before is no longer taken. */
  want(delay = 0) {
    this.seq += 1;
    this.answered.clear();
    clearTimeout(this.timer);
    this.root.setAttribute("aria-busy", "true");
    this.root.dataset.seq = String(this.seq);
    for (const part of PARTS) this[`${part}Box`].dataset.old = "true";
    this.asked = performance.now();
    this.timer = setTimeout(() => {
      const state = JSON.parse(JSON.stringify(this.state));
      this.model.send({ kind: "want", view: this.view, seq: this.seq, state });
    }, delay);
  }

  told(message) {
    if (message.view !== this.view) return;
    if (message.kind === "setup") {
      this.setup(message);
      return;
    }
    if (message.seq !== this.seq) return; // it answers a question that was taken back
    const { kind } = message;
    if (kind === "done") this.done(message);
    else if (kind === "same") {
      // What was typed and taken back is not what the kernel holds.
      if (message.part === "system") this.showSystem(this.systemTold);
      this.fresh(message.part);
    } else {
      const box = this[`${kind}Box`];
      if (box) box.hidden = false; // so that what is drawn knows its size
      if (kind === "system") this.showSystem(message);
      else if (kind === "table") this.showTable(message);
      else if (kind === "query") this.showQuery(message);
      else if (kind === "why") this.showWhy(message);
      else if (kind === "graph") this.graph.show(message);
      else if (kind === "recall") this.showRecall(message);
      this.fresh(kind);
    }
  }

  fresh(part) {
    this.answered.add(part);
    const box = this[`${part}Box`];
    if (!box) return;
    box.hidden = false;
    box.dataset.old = "false";
    box.dataset.seq = String(this.seq);
    if (part === "table") this.root.dataset.tableMs = String(performance.now() - this.asked);
  }

  done({ problems, took, pending }) {
    for (const part of PARTS) if (!this.answered.has(part)) this[`${part}Box`].hidden = true;
    if (pending.includes("recall") && !this.answered.has("recall")) {
      this.recallBox.replaceChildren(element("p", "faint", "Searching the settings…"));
      this.recallBox.hidden = false;
      this.recallBox.dataset.old = "false";
    }
    this.trouble.replaceChildren();
    for (const [part, text] of Object.entries(problems)) {
      const what = part === "system" ? "These settings cannot be run. " : `${part}: `;
      this.trouble.append(element("div", "alarm", what + text));
    }
    this.trouble.hidden = !Object.keys(problems).length;
    this.root.setAttribute("aria-busy", "false");
    this.pace.textContent = `answered in ${took < 1000 ? `${Math.round(took)} ms`
      : `${(took / 1000).toFixed(1)} s`}`;
    if (this.state.recall) this.state.recall = false;
  }

  // The frame

  setup(told) {
    this.setupTold = told;
    this.root.replaceChildren();
    const { state } = this;
    if (state.metric === null) {
      state.metric = told.metrics[0] ?? "";
      state.beside = told.systems.length > 1 ? 1 : null;
    }
    const head = element("header", "head");
    head.append(element("strong", "", told.title));
    const form = element("form", "ask");
    this.ask = element("input");
    this.ask.type = "search";
    this.ask.placeholder = "Ask anything, in your own words";
    this.ask.setAttribute("aria-label", "Free text");
    const go = element("button", "", "Ask");
    go.type = "submit";
    form.append(this.ask, go);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(null, this.ask.value.trim());
    });
    this.pace = element("span", "faint");
    this.pace.setAttribute("role", "status");
    head.append(form, this.pace);

    this.trouble = element("div", "trouble");
    this.trouble.setAttribute("role", "alert");
    this.trouble.hidden = true;
    const main = element("div", "main");
    main.append(this.side(), this.middle(told));
    this.queryBox = element("section", "query");
    const reasons = element("div", "reasons");
    this.whyBox = element("section", "why");
    this.recallBox = element("section", "recall");
    this.graph = new Graph();
    this.graphBox = element("section", "tags");
    this.graphBox.append(this.graph.node);
    const left = element("div");
    left.append(this.whyBox, this.recallBox);
    reasons.append(left, this.graphBox);
    for (const part of PARTS) this[`${part}Box`].hidden = true;
    this.root.append(head, this.trouble, main, this.queryBox, reasons);
    this.want();
  }

  side() {
    const { systems } = this.setupTold;
    const side = element("section", "side");
    side.setAttribute("aria-label", "Parameters");
    const names = systems.map((system, at) => [at, system.name]);
    const line = element("div", "pick");
    line.append(element("i", "a"), select("System", names, this.state.system, (value) => {
      this.state.system = Number(value);
      if (this.state.beside === this.state.system) this.state.beside = null;
      this.beside();
      this.want();
    }));
    this.besideBox = element("div", "pick");
    this.controlsBox = element("div", "controls");
    this.codeBox = element("div", "code");
    side.append(line, this.besideBox, this.controlsBox, this.codeBox);
    this.beside();
    return side;
  }

  beside() {
    const { systems } = this.setupTold;
    const others = systems.map((system, at) => [at, system.name])
      .filter(([at]) => at !== this.state.system);
    const options = [["given", "itself, as given"], ...others];
    const chosen = this.state.beside === null ? "given" : this.state.beside;
    this.besideBox.replaceChildren(element("i", "b"), element("span", "faint", "beside"),
      select("Beside", options, chosen, (value) => {
        this.state.beside = value === "given" ? null : Number(value);
        this.want();
      }));
  }

  middle(told) {
    const middle = element("div", "middle");
    this.tableBox = element("section", "results");
    if (told.judged) {
      const bar = element("div", "bar");
      bar.append(element("h4", "", "Results"), element("span", "gap"), element("span", "faint", "scatter"),
        select("Metric", told.metrics.map((name) => [name, name]), this.state.metric, (value) => {
          this.state.metric = value;
          this.want();
        }));
      this.tableNode = element("div", "wide");
      this.notes = element("div", "notes");
      this.pair = element("div", "pair");
      this.scatter = element("div", "scatter");
      this.pair.append(this.scatter, this.queryList(told));
      this.tableBox.append(bar, this.tableNode, this.notes, this.pair);
    } else {
      const help = "A corpus without judged queries: ask in your own words, and see what each "
        + "system finds and why. With a data set, results stand here.";
      middle.append(element("p", "faint empty", help));
    }
    middle.append(this.tableBox);
    return middle;
  }

  queryList(told) {
    const box = element("div", "queries");
    const bar = element("div", "bar");
    const search = element("input");
    search.type = "search";
    search.placeholder = "Search queries";
    search.setAttribute("aria-label", "Search queries");
    search.addEventListener("input", () => {
      this.filter.text = search.value.trim().toLowerCase();
      this.filter.spot = null;
      this.rows = ROWS;
      this.listQueries();
    });
    const kinds = [...new Set(told.queries.map((query) => query.class))].filter(Boolean).sort();
    bar.append(search);
    if (kinds.length > 1) {
      const options = [["", "all classes"], ...kinds.map((kind) => [kind, kind])];
      bar.append(select("Class", options, "", (value) => {
        this.filter.kind = value;
        this.filter.spot = null;
        this.rows = ROWS;
        this.listQueries();
      }));
    }
    this.listNode = element("div", "list");
    this.counted = element("p", "faint");
    box.append(bar, this.listNode, this.counted);
    // Up and down go from query to query.
    this.listNode.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const all = [...this.listNode.querySelectorAll("tbody button")];
      const at = all.indexOf(document.activeElement);
      const next = all[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    });
    return box;
  }

  // Changing what is wanted

  open(qid, text = "") {
    Object.assign(this.state, { qid, text, docno: null, recall: false });
    if (qid !== null) this.ask.value = "";
    this.want();
    if (this.queries) this.markOpen();
  }

  explain(docno) {
    Object.assign(this.state, { docno, recall: false });
    this.want();
  }

  move(name, value) {
    const key = String(this.state.system);
    const own = { ...this.state.params[key] };
    if (value === null) delete own[name];
    else own[name] = value;
    // Another choice has other parameters within.
    const control = this.controls.get(name);
    if (control?.kind === "choice" || control?.kind === "switch") {
      for (const other of Object.keys(own)) if (other.startsWith(`${name}__`)) delete own[other];
    }
    this.state.params[key] = own;
    this.want(control?.slides && value !== null ? DEBOUNCE : 0);
  }

  // Showing

  showSystem(told) {
    this.systemTold = told;
    const shape = told.controls.map((c) => [c.name, c.kind, c.minimum, c.maximum, c.choices].join())
      .join(";") + told.place;
    if (shape === this.shape) {
      for (const control of told.controls) this.controls.get(control.name).show(control);
    } else {
      const focused = document.activeElement?.closest?.("[data-name]")?.dataset.name;
      const opened = new Set([...this.controlsBox.querySelectorAll("details[open]")]
        .map((node) => node.dataset.group));
      this.shape = shape;
      this.controls = new Map();
      this.controlsBox.replaceChildren();
      let group = null;
      let into = this.controlsBox;
      for (const control of told.controls) {
        if (control.group !== group) {
          group = control.group;
          into = this.controlsBox;
          if (group) {
            into = into.appendChild(element("details"));
            into.dataset.group = group;
            into.open = opened.has(group);
            into.append(element("summary", "", group));
          }
        }
        const made = new Control(control, (name, value) => this.move(name, value));
        this.controls.set(control.name, made);
        into.append(made.node);
      }
      if (!told.controls.length) {
        this.controlsBox.append(element("p", "faint", "This system has nothing to turn."));
      }
      if (focused) this.controls.get(focused)?.input.focus();
    }
    this.codeBox.replaceChildren();
    if (!told.code) return;
    const code = element("pre", "", told.code);
    code.tabIndex = 0;
    code.setAttribute("aria-label", "The system as code");
    const bar = element("div", "bar");
    const copy = button("", "Copy as code", () => this.copy(told.code, code, copy));
    bar.append(copy);
    const again = button("", "As given", () => {
      delete this.state.params[String(this.state.system)];
      this.want();
    });
    again.disabled = !told.edited;
    bar.append(again);
    this.codeBox.append(bar, code);
  }

  async copy(text, node, from) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No right to the clipboard: it is selected, so that one key copies it.
      const range = document.createRange();
      range.selectNodeContents(node);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      from.textContent = "Selected: press Ctrl+C";
      return;
    }
    from.textContent = "Copied";
  }

  showTable(told) {
    const { metrics } = this.setupTold;
    const table = element("table");
    const top = table.createTHead().insertRow();
    for (const name of ["System", ...metrics, "ms/query"]) {
      const cell = top.appendChild(element("th", "", name));
      cell.scope = "col";
    }
    const body = table.createTBody();
    for (const row of told.rows) {
      const line = body.insertRow();
      line.dataset.role = row.role;
      const name = line.appendChild(element("th"));
      name.scope = "row";
      name.append(element("i", row.role || "none"), row.name);
      name.title = row.code;
      for (const metric of metrics) {
        const cell = line.insertCell();
        const [mean, low, high] = row.cells[metric];
        cell.append(element("b", "", number(mean)),
          element("span", "ends", ` [${number(low)}, ${number(high)}]`));
        const delta = row.deltas[metric];
        if (delta) {
          const sure = delta[1] > 0 || delta[2] < 0;
          const made = cell.appendChild(element("div", "delta", `Δ ${signed(delta[0])}`));
          made.append(element("span", "ends", ` [${signed(delta[1])}, ${signed(delta[2])}]`));
          made.dataset.sure = sure ? (delta[0] > 0 ? "up" : "down") : "no";
        }
      }
      line.insertCell().textContent = row.ms === null ? "–" : number(row.ms, 2);
    }
    this.tableNode.replaceChildren(table);
    this.notes.replaceChildren();
    const about = `Means over ${told.n} of ${this.setupTold.count} queries with 95 % intervals; Δ is `
      + `the difference from ${told.names[1]} on the same queries.`;
    this.notes.append(element("p", "faint", told.rows.length > 1 ? about : about.split(";")[0] + "."));
    if (this.setupTold.tested) {
      this.notes.append(element("p", "faint", "These are test queries: a setting that is chosen by "
        + "looking at them looks better than it is. Choose on train, look here once."));
    }
    const more = [...this.setupTold.notes, ...told.notices];
    if (more.length) {
      const box = this.notes.appendChild(element("details", "faint"));
      box.append(element("summary", "", more.length === 1 ? "1 notice" : `${more.length} notices`));
      for (const note of more) box.append(element("p", "", note));
    }
    this.queries = this.setupTold.queries.map((query, at) => ({ ...query, at, a: told.a[at],
      b: told.b[at], delta: told.a[at] === null ? null : told.a[at] - told.b[at] }));
    this.names = told.names;
    this.metric = told.metric;
    this.drawScatter();
    this.listQueries();
  }

  drawScatter() {
    const spots = new Map();
    for (const query of this.queries) {
      if (query.delta === null) continue;
      const key = `${query.b.toFixed(3)} ${query.a.toFixed(3)}`;
      if (!spots.has(key)) spots.set(key, []);
      spots.get(key).push(query);
    }
    const size = 240;
    const edge = 46;
    const inset = 14; // room for large spots in the corners
    const svg = drawn("svg", { viewBox: `0 0 ${size + edge + 8} ${size + 46}`, role: "img" });
    const x = (value) => edge + inset + value * (size - 2 * inset);
    const y = (value) => 8 + inset + (1 - value) * (size - 2 * inset);
    const wins = this.queries.filter((query) => query.delta > 0).length;
    const losses = this.queries.filter((query) => query.delta < 0).length;
    svg.setAttribute("aria-label", `Queries by ${this.metric}: ${wins} better with ${this.names[0]}, `
      + `${losses} with ${this.names[1]}. The list beside has each of them.`);
    svg.append(drawn("rect", { x: edge, y: 8, width: size, height: size, class: "frame" }),
      drawn("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: "even" }));
    for (const tick of [0, 0.5, 1]) {
      svg.append(drawn("text", { x: x(tick), y: size + 22, "text-anchor": "middle" }, String(tick)),
        drawn("text", { x: edge - 5, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
    }
    const cut = (text) => (text.length > 34 ? `${text.slice(0, 33)}…` : text);
    svg.append(drawn("text", { x: x(0.5), y: size + 38, "text-anchor": "middle", class: "b" },
      cut(this.names[1])));
    svg.append(drawn("text", { x: -y(0.5), y: 12, transform: "rotate(-90)", "text-anchor": "middle",
      class: "a" }, cut(this.names[0])));
    // Large spots first, so that small ones stay on top.
    for (const queries of [...spots.values()].sort((one, two) => two.length - one.length)) {
      const [{ a, b, delta }] = queries;
      const spot = drawn("circle", { cx: x(b), cy: y(a),
        r: (3 + 2.2 * Math.sqrt(queries.length - 1)).toFixed(1) });
      spot.dataset.side = delta > 0 ? "a" : delta < 0 ? "b" : "even";
      spot.dataset.qids = queries.map((query) => query.qid).join(" ");
      const what = queries.length === 1 ? queries[0].text : `${queries.length} queries`;
      spot.append(drawn("title", {}, `${what}: ${number(b)} → ${number(a)}`));
      spot.addEventListener("click", () => {
        if (queries.length === 1) {
          this.open(queries[0].qid);
        } else {
          this.filter.spot = new Set(queries.map((query) => query.qid));
          this.listQueries();
        }
      });
      svg.append(spot);
    }
    this.scatter.replaceChildren(svg, element("p", "faint",
      `${wins} better, ${losses} worse, by ${this.metric}`));
    this.markOpen();
  }

  listQueries() {
    const { text, kind, spot } = this.filter;
    const found = this.queries.filter((query) => (!kind || query.class === kind)
      && (!text || query.text.toLowerCase().includes(text) || query.qid.toLowerCase() === text)
      && (!spot || spot.has(query.qid)));
    const { by, down } = this.sort;
    const value = (query) => (by === "delta" ? (query.delta === null ? -1 : Math.abs(query.delta))
      : by === "text" ? query.at : query[by] ?? -1);
    found.sort((one, two) => (down ? value(two) - value(one) : value(one) - value(two))
      || one.at - two.at);
    const table = element("table");
    const top = table.createTHead().insertRow();
    for (const [key, label] of [["text", "Query"], ["a", "A"], ["b", "B"], ["delta", "Δ"]]) {
      const cell = top.appendChild(element("th", `col-${key}`));
      cell.scope = "col";
      if (by === key) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const names = { a: this.names[0], b: this.names[1], delta: "Largest difference first" };
      const made = cell.appendChild(button("sort", label, () => {
        this.sort = { by: key, down: by === key ? !down : key !== "text" };
        this.listQueries();
      }));
      made.title = names[key] ?? "";
    }
    const body = table.createTBody();
    for (const query of found.slice(0, this.rows)) {
      const line = body.insertRow();
      line.dataset.qid = query.qid;
      const cell = line.insertCell();
      const made = cell.appendChild(button("open", query.text, () => this.open(query.qid)));
      if (query.class) made.append(element("span", "class", query.class));
      for (const key of ["a", "b"]) line.insertCell().textContent = number(query[key], 2);
      const delta = line.insertCell();
      delta.textContent = query.delta === null ? "–" : query.delta === 0 ? "=" : signed(query.delta);
      delta.dataset.side = query.delta > 0 ? "a" : query.delta < 0 ? "b" : "even";
    }
    this.listNode.replaceChildren(table);
    this.counted.replaceChildren(`${found.length} of ${this.setupTold.count} queries `);
    if (found.length > this.rows) {
      this.counted.append(button("", "more", () => {
        this.rows += ROWS;
        this.listQueries();
      }));
    }
    if (spot) {
      this.counted.append(button("", "show all", () => {
        this.filter.spot = null;
        this.listQueries();
      }));
    }
    this.markOpen();
  }

  markOpen() {
    for (const line of this.listNode.querySelectorAll("tbody tr")) {
      const open = line.dataset.qid === this.state.qid;
      if (open) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
    for (const spot of this.scatter.querySelectorAll("circle")) {
      spot.dataset.open = String(this.state.qid !== null
        && spot.dataset.qids.split(" ").includes(this.state.qid));
    }
  }

  showQuery(told) {
    const bar = element("div", "bar");
    const title = element("h4", "", told.text);
    if (told.qid !== null) title.prepend(element("span", "qid", told.qid));
    bar.append(title, element("span", "gap"), element("span", "faint", "first"),
      select("Length of the lists", [[10, "10"], [20, "20"], [50, "50"]], this.state.cutoff,
        (value) => {
          this.state.cutoff = Number(value);
          this.want();
        }));
    const lists = element("div", "lists");
    told.lists.forEach((list, at) => lists.append(this.list(list, at ? "b" : "a",
      told.lists.length > 1)));
    this.queryBox.replaceChildren(bar, lists);
  }

  list(list, role, paired) {
    const box = element("div", "ranked");
    const title = box.appendChild(element("h5"));
    title.append(element("i", role), list.name);
    for (const note of list.notices) box.append(element("p", "faint", note));
    const hits = box.appendChild(element("ol"));
    for (const hit of list.hits) {
      const item = hits.appendChild(element("li"));
      item.dataset.docno = hit.docno;
      if (hit.label !== null) item.dataset.label = String(Math.sign(hit.label));
      if (hit.docno === this.state.docno) item.setAttribute("aria-current", "true");
      const line = item.appendChild(element("div", "line"));
      line.append(element("span", "rank", String(hit.rank + 1)));
      if (hit.label !== null) line.append(this.judged(hit.label));
      line.append(button("doc", hit.docno, () => this.explain(hit.docno)));
      if (paired) {
        const moved = hit.other === null ? "new" : hit.other - hit.rank;
        const text = moved === "new" ? "only here" : moved > 0 ? `▲${moved}` : moved < 0 ? `▼${-moved}`
          : "=";
        const sign = line.appendChild(element("span", "moved", text));
        sign.title = hit.other === null ? "not in the other list" : `${place(hit.other)} in the other list`;
        sign.dataset.way = moved === "new" || moved > 0 ? "up" : moved < 0 ? "down" : "even";
      }
      line.append(element("span", "gap"), element("span", "score", short(hit.score)));
      fragments(hit.text, item.appendChild(element("p", "snippet")));
      if (hit.tags.length || hit.date) {
        const foot = item.appendChild(element("div", "foot"));
        if (hit.date) foot.append(element("span", "date", hit.date));
        for (const tag of hit.tags) foot.append(element("span", "tag", tag));
      }
    }
    if (!list.hits.length) box.append(element("p", "faint", "Nothing was found."));
    if (list.missed.length) {
      box.append(element("p", "faint missed", `Judged relevant, but not among the first ${
        this.state.cutoff}:`));
      const missed = box.appendChild(element("ul", "missing"));
      for (const one of list.missed) {
        const item = missed.appendChild(element("li"));
        item.append(this.judged(one.label), button("doc", one.docno, () => this.explain(one.docno)),
          element("span", "faint", ` ${place(one.rank)}`));
      }
    }
    return box;
  }

  judged(label) {
    const made = element("span", "judged", label > 0 ? `✓ ${label}` : "✗ 0");
    made.title = label > 0 ? `judged relevant, ${label}` : "judged not relevant";
    made.dataset.good = String(label > 0);
    return made;
  }

  showWhy(told) {
    const { document: text } = told;
    const bar = element("div", "bar");
    bar.append(element("h4", "", `Why is ${text.docno} where it is?`));
    if (told.label !== null) bar.append(this.judged(told.label));
    const whole = element("details", "document");
    whole.append(element("summary", "", [text.date, text.tags.join(", ") || "no tags"]
      .filter(Boolean).join(" · ")));
    fragments(text.text, whole.appendChild(element("p")));
    if (text.cut) whole.append(element("p", "faint", "… the text goes on."));
    const falls = element("div", "falls");
    told.whys.forEach((why, at) => falls.append(this.waterfall(why, at ? "b" : "a")));
    if (!told.whys.length) falls.append(element("p", "faint", "A finished run cannot explain itself."));
    this.whyBox.replaceChildren(bar, whole, falls);
    const own = told.whys[0];
    if (own && (own.rank === null || own.rank >= this.state.cutoff)) {
      this.whyBox.append(button("ask-recall", `What would bring it into the first ${
        this.state.cutoff}?`, () => {
        this.state.recall = true;
        this.want();
      }));
    }
  }

  waterfall(why, role) {
    const box = element("div", "fall");
    box.append(element("h5"));
    box.firstChild.append(element("i", role), `${why.name}: `, element("b", "", place(why.rank)));
    let at = 0;
    while (at < why.steps.length) {
      let end = at + 1;
      while (end < why.steps.length && why.steps[end].stage === why.steps[at].stage
        && why.steps[end - 1].kind === "part") end += 1;
      box.append(this.stage(why.steps.slice(at, end)));
      at = end;
    }
    return box;
  }

  /** The bars of one stage: parts that add up to its score, or an old score and a new one. */
  stage(steps) {
    const group = element("div", "stage");
    const barred = steps.some((step) => ["part", "sum", "moved"].includes(step.kind));
    const ends = [0, ...steps.flatMap((step) => [step.start ?? 0, step.end ?? 0])];
    const low = Math.min(...ends);
    const span = Math.max(...ends) - low || 1;
    if (!barred) group.dataset.plain = "true";
    for (const step of steps) {
      const { kind, start, end } = step;
      const line = group.appendChild(element("div", "step"));
      line.dataset.kind = kind;
      const label = line.appendChild(element("span", "what", brief(step.part || step.stage)));
      label.title = step.part ? `${step.part} in ${step.stage}` : step.stage;
      const bar = line.appendChild(element("span", "bars"));
      const put = (from, to, name) => {
        const made = bar.appendChild(element("i", name));
        made.style.left = `${((Math.min(from, to) - low) / span) * 100}%`;
        made.style.width = `${Math.max(0.6, (Math.abs(to - from) / span) * 100)}%`;
      };
      let value = kind === "removed" ? "removed" : short(end);
      if (kind === "part" && end !== null) {
        put(start, end, end < start ? "less" : "part");
        value = signed(end - start, short);
      } else if (kind === "sum" && end !== null) put(0, end, "whole");
      else if (kind === "moved" && end !== null) {
        put(0, end, "whole");
        if (start !== null && start !== end) {
          put(0, start, "before");
          value = `${short(start)} → ${short(end)}`;
        }
      } else if (kind === "query" || kind === "filter") value = "";
      line.append(element("span", "value", value));
      const at = step.rank === null ? "–" : String(step.rank + 1);
      const moved = step.before !== null && step.before !== step.rank ? `${step.before + 1} → ${at}` : at;
      const ranked = !["query", "filter"].includes(kind);
      const rank = line.appendChild(element("span", "rank", ranked ? moved.replace(/^(?=\d)/, "#") : ""));
      rank.title = ranked ? place(step.rank) : "";
      if (step.terms.length) {
        const terms = group.appendChild(element("div", "terms"));
        for (const [term, share] of step.terms) {
          const made = terms.appendChild(element("span", "tag", term));
          made.append(element("span", "faint", ` ${short(share)}`));
        }
      }
      if (step.path.length > 1) {
        group.append(element("div", "walk", `path: ${step.path.map(([tag, energy]) =>
          `${tag} ${short(energy)}`).join(" → ")}`));
      }
      if (step.reason && !step.terms.length && kind !== "moved") {
        group.append(element("div", "reason", step.reason));
      }
    }
    return group;
  }

  showRecall(told) {
    const box = element("div", "card");
    if (told.problem) {
      this.recallBox.replaceChildren(element("div", "alarm", told.problem));
      return;
    }
    box.append(element("h5", "", `The smallest change that recalls ${told.docno}`));
    const list = box.appendChild(element("dl"));
    for (const [name, text] of told.facts) {
      list.append(element("dt", "", name), element("dd", "", text));
    }
    if (told.cost.length) {
      const dd = element("dd");
      for (const [metric, mean, delta, low, high] of told.cost) {
        dd.append(element("div", "", `${metric} ${number(mean)}, Δ ${signed(delta)} [${signed(low)}, ${
          signed(high)}]`));
      }
      list.append(element("dt", "", "all queries"), dd);
    }
    if (told.apply) {
      box.append(button("main", "Use this setting", () => {
        this.state.params[String(this.state.system)] = { "=": told.apply };
        this.want();
      }));
    }
    this.recallBox.replaceChildren(box);
  }
}

function render({ model, el }) {
  const explorer = new Explorer(model, el);
  return () => explorer.stop();
}

export default { render };
