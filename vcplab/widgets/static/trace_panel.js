// The trace panel. All text of spans is set by textContent; nothing here is ever parsed as HTML.
// Order of a row's fields: see _row in trace_panel.py.
const [ID, TRACE, PARENT, NAME, KIND, STATUS, START, TOOK, ERROR, FACTS] = Array(10).keys();
const ROW_HEIGHT = 22;
const REDRAW_MS = 250;
const SIGNS = { ok: "✓", error: "✗", open: "…", cancelled: "⊘" };

/** The spans: a bounded forest, with the matches of the present search. */
class Forest {
  constructor(limit) {
    this.limit = limit;
    this.query = "";
    this.status = "";
    this.clear();
  }

  clear() {
    this.nodes = new Map();
    this.roots = [];
    this.orphans = new Map(); // parent id -> children that came first
    this.open = 0;
    this.errors = 0;
  }

  add(rows) {
    for (const row of rows) this.put(row);
    if (this.nodes.size > this.limit) this.trim();
  }

  put(row) {
    const known = this.nodes.get(row[ID]);
    if (known) {
      if (known.row[STATUS] !== "open") return;
      this.count(known.row, -1);
      known.row = row;
      this.count(row, 1);
      this.judge(known);
      return;
    }
    const node = { row, children: [], parent: null, expanded: false, hit: false, inside: 0, text: null };
    this.nodes.set(row[ID], node);
    this.count(row, 1);
    const waiting = this.orphans.get(row[ID]);
    if (waiting) {
      this.orphans.delete(row[ID]);
      const adopted = new Set(waiting);
      this.roots = this.roots.filter((other) => !adopted.has(other));
      for (const child of waiting) this.adopt(node, child);
    }
    const parent = row[PARENT] && this.nodes.get(row[PARENT]);
    if (parent) {
      this.adopt(parent, node);
    } else {
      this.settle(node);
      if (row[PARENT]) {
        const list = this.orphans.get(row[PARENT]);
        if (list) list.push(node);
        else this.orphans.set(row[PARENT], [node]);
      }
    }
    this.judge(node);
  }

  /** A root takes its place by time: what was recorded before the panel may come after what is new. */
  settle(node) {
    const { roots } = this;
    const start = node.row[START];
    let low = 0;
    let high = roots.length;
    if (!high || roots[high - 1].row[START] <= start) low = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (roots[middle].row[START] <= start) low = middle + 1;
      else high = middle;
    }
    roots.splice(low, 0, node);
  }

  adopt(parent, child) {
    child.parent = parent;
    const list = parent.children;
    let at = list.length;
    while (at > 0 && list[at - 1].row[START] > child.row[START]) at -= 1;
    list.splice(at, 0, child);
    const found = child.inside + (child.hit ? 1 : 0);
    for (let up = parent; found && up; up = up.parent) up.inside += found;
  }

  count(row, by) {
    if (row[STATUS] === "open") this.open += by;
    if (row[STATUS] === "error") this.errors += by;
  }

  get filtering() {
    return this.query !== "" || this.status !== "";
  }

  matches(node) {
    const { row } = node;
    if (this.status && row[STATUS] !== this.status) return false;
    if (!this.query) return true;
    if (node.text === null || node.of !== row) {
      node.text = `${row[NAME]} ${row[KIND]} ${row[ERROR]} ${row[FACTS]} ${row[TRACE]}`.toLowerCase();
      node.of = row;
    }
    return node.text.includes(this.query);
  }

  judge(node) {
    const hit = this.filtering && this.matches(node);
    if (hit === node.hit) return;
    node.hit = hit;
    for (let up = node.parent; up; up = up.parent) up.inside += hit ? 1 : -1;
  }

  search(query, status) {
    this.query = query.trim().toLowerCase();
    this.status = status;
    for (const node of this.nodes.values()) {
      node.inside = 0;
      node.hit = false;
    }
    if (!this.filtering) return;
    for (const node of this.nodes.values()) {
      if (!this.matches(node)) continue;
      node.hit = true;
      for (let up = node.parent; up; up = up.parent) up.inside += 1;
    }
  }

  trim() {
    // A tenth at a time, so that this is rare.
    const target = this.limit * 0.9;
    let gone = 0;
    while (this.nodes.size > target && gone < this.roots.length) {
      const stack = [this.roots[gone]];
      gone += 1;
      while (stack.length) {
        const node = stack.pop();
        this.nodes.delete(node.row[ID]);
        this.orphans.delete(node.row[PARENT]);
        this.count(node.row, -1);
        stack.push(...node.children);
      }
    }
    this.roots.splice(0, gone);
  }

  /** What is to be seen, latest request first: [node, depth] pairs. */
  lines() {
    const seen = [];
    const walk = (node, depth) => {
      if (this.filtering && !node.hit && !node.inside) return;
      seen.push([node, depth]);
      if (node.expanded || (this.filtering && node.inside)) {
        for (const child of node.children) walk(child, depth + 1);
      }
    };
    for (let at = this.roots.length - 1; at >= 0; at -= 1) walk(this.roots[at], 0);
    return seen;
  }
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = `vcplab-trace-${name}`;
  if (text !== undefined) made.textContent = text;
  return made;
}

function duration(ms) {
  if (ms === null) return "…";
  if (ms < 1) return `${(ms * 1000).toFixed(0)} µs`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Where a span lies in its request, as [left, width] in per cent. */
function place(node) {
  let root = node;
  while (root.parent) root = root.parent;
  const total = root.row[TOOK];
  if (!total) return [0, 100];
  const left = Math.max(0, Math.min(99, ((node.row[START] - root.row[START]) / total) * 100));
  const width = ((node.row[TOOK] ?? total) / total) * 100;
  return [left, Math.max(1, Math.min(100 - left, width))];
}

/** What the views of one widget share; it lives as long as the widget. */
function shared() {
  const state = { forest: null, listeners: new Set() };
  return {
    initialize({ model }) {
      state.forest = new Forest(model.get("limit"));
      const receive = (message) => {
        if (message.kind === "spans") state.forest.add(message.rows);
        for (const listener of state.listeners) listener(message);
      };
      model.on("msg:custom", receive);
      model.send({ kind: "ready" });
      return () => model.off("msg:custom", receive);
    },
    render: ({ model, el }) => render(state, model, el),
  };
}

function render({ forest, listeners }, model, el) {
  const root = element("div");
  root.className = "vcplab-trace";
  const head = element("div", "head");
  const input = element("input");
  input.type = "search";
  input.placeholder = "Search 搜索";
  input.setAttribute("aria-label", "Search spans");
  const select = element("select");
  select.setAttribute("aria-label", "Status");
  for (const [value, label] of [["", "all"], ["open", "open"], ["error", "errors"], ["ok", "ok"], ["cancelled", "cancelled"]]) {
    const option = element("option", "", label);
    option.value = value;
    select.append(option);
  }
  const pause = element("button", "pause", "Pause");
  pause.type = "button";
  pause.setAttribute("aria-pressed", "false");
  const fold = element("button", "fold", "Collapse");
  fold.type = "button";
  const count = element("span", "count");
  count.setAttribute("role", "status");
  head.append(input, select, pause, fold, count);

  const list = element("div", "list");
  list.tabIndex = 0;
  list.setAttribute("role", "tree");
  list.setAttribute("aria-label", "Spans");
  const space = element("div");
  list.append(space);

  const more = element("div", "more");
  more.hidden = true;
  const tabs = element("div", "tabs");
  const asSpan = element("button", "", "Span");
  const asRequest = element("button", "", "Request");
  asSpan.type = asRequest.type = "button";
  tabs.append(asSpan, asRequest);
  const details = element("pre");
  more.append(tabs, details);
  root.append(head, list, more);
  el.append(root);

  let lines = [];
  let selected = null;
  let answer = { id: null, text: "", request: "" };
  let tab = "text";
  let paused = false;
  let frozen = null; // while paused: the number of spans that was seen
  let timer = null;
  let lastDraw = 0;

  function flatten() {
    const before = lines.length ? lines[Math.floor(list.scrollTop / ROW_HEIGHT)] : null;
    const within = list.scrollTop % ROW_HEIGHT;
    lines = forest.lines();
    space.style.height = `${lines.length * ROW_HEIGHT}px`;
    // New requests come in above: what is being read stays where it is.
    if (before && list.scrollTop > 0) {
      const at = lines.findIndex(([node]) => node === before[0]);
      if (at >= 0) list.scrollTop = at * ROW_HEIGHT + within;
    }
  }

  function line([node, depth], at) {
    const { row } = node;
    const made = element("div", "row");
    made.style.top = `${at * ROW_HEIGHT}px`;
    made.style.paddingLeft = `${8 + Math.min(depth, 30) * 14}px`;
    made.dataset.id = row[ID];
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", String(depth + 1));
    made.setAttribute("aria-selected", String(selected === row[ID]));
    const open = node.expanded || (forest.filtering && node.inside > 0);
    const caret = element("button", "caret", node.children.length ? (open ? "▾" : "▸") : "");
    caret.type = "button";
    caret.tabIndex = -1;
    if (node.children.length) {
      made.setAttribute("aria-expanded", String(open));
      caret.setAttribute("aria-label", open ? "Collapse" : "Expand");
    }
    const state = element("span", "state", SIGNS[row[STATUS]] ?? "?");
    state.dataset.status = row[STATUS];
    state.title = row[STATUS];
    const name = element("span", "name", row[NAME]);
    name.title = row[NAME];
    const kind = element("span", "kind", row[KIND] === "internal" ? "" : row[KIND]);
    const facts = element("span", "facts", row[ERROR] || row[FACTS]);
    const bar = element("span", "bar");
    const fill = document.createElement("i");
    const [left, width] = place(node);
    fill.style.left = `${left}%`;
    fill.style.width = `${width}%`;
    bar.append(fill);
    made.append(caret, state, name, kind, facts, bar, element("span", "time", duration(row[TOOK])));
    return made;
  }

  function paint() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 5);
    const shown = Math.ceil((list.clientHeight || 320) / ROW_HEIGHT) + 10;
    const rows = lines.slice(first, first + shown).map((pair, at) => line(pair, first + at));
    if (!lines.length) {
      const text = forest.filtering ? "Nothing matches. 没有匹配。" : "No spans yet. 暂无记录。";
      rows.push(element("div", "empty", text));
    }
    space.replaceChildren(...rows);
    list.dataset.query = forest.query;
    list.dataset.status = forest.status;
    const total = forest.nodes.size.toLocaleString("en");
    const seen = forest.filtering ? `, ${lines.length.toLocaleString("en")} shown` : "";
    const still = frozen === null ? "" : `, paused at ${frozen.toLocaleString("en")}`;
    count.textContent = `${total} spans, ${forest.open} open, ${forest.errors} failed${seen}${still}`;
  }

  function draw() {
    clearTimeout(timer);
    timer = null;
    lastDraw = performance.now();
    flatten();
    paint();
  }

  function drawSoon() {
    if (timer !== null || paused) return;
    timer = setTimeout(draw, Math.max(0, REDRAW_MS - (performance.now() - lastDraw)));
  }

  function showDetails() {
    more.hidden = selected === null;
    if (selected === null) return;
    asSpan.setAttribute("aria-pressed", String(tab === "text"));
    asRequest.setAttribute("aria-pressed", String(tab === "request"));
    if (answer.id === selected) {
      details.textContent = answer[tab] || "Nothing to tell of this request.";
      return;
    }
    const node = forest.nodes.get(selected);
    const facts = node ? `${node.row[NAME]}\n${node.row[ERROR]}\n${node.row[FACTS]}` : "";
    details.textContent = `${facts}\n(more as soon as the kernel is free)`;
  }

  function choose(id) {
    selected = id;
    model.send({ kind: "details", id });
    showDetails();
    paint();
  }

  function toggle(node) {
    node.expanded = !node.expanded;
    draw();
  }

  function move(by) {
    const at = lines.findIndex(([node]) => node.row[ID] === selected);
    const next = Math.max(0, Math.min(lines.length - 1, at + by));
    if (!lines[next]) return;
    const top = next * ROW_HEIGHT;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW_HEIGHT > list.scrollTop + list.clientHeight) {
      list.scrollTop = top + ROW_HEIGHT - list.clientHeight;
    }
    choose(lines[next][0].row[ID]);
  }

  const onSearch = () => {
    forest.search(input.value, select.value);
    list.scrollTop = 0;
    draw();
  };
  input.addEventListener("input", onSearch);
  select.addEventListener("change", onSearch);
  pause.addEventListener("click", () => {
    paused = !paused;
    frozen = paused ? forest.nodes.size : null;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    draw();
  });
  fold.addEventListener("click", () => {
    for (const node of forest.nodes.values()) node.expanded = false;
    draw();
  });
  list.addEventListener("scroll", paint);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".vcplab-trace-row");
    const node = row && forest.nodes.get(row.dataset.id);
    if (!node) return;
    if (event.target.closest(".vcplab-trace-caret") && node.children.length) toggle(node);
    else choose(row.dataset.id);
  });
  list.addEventListener("dblclick", (event) => {
    const row = event.target.closest(".vcplab-trace-row");
    const node = row && forest.nodes.get(row.dataset.id);
    if (node && node.children.length && !event.target.closest(".vcplab-trace-caret")) toggle(node);
  });
  // Keys typed here are not shortcuts of the notebook.
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.target !== list) return;
    const node = selected && forest.nodes.get(selected);
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "ArrowRight" && node && !node.expanded) toggle(node);
    else if (event.key === "ArrowLeft" && node && node.expanded) toggle(node);
    else return;
    event.preventDefault();
  });
  for (const [button, name] of [[asSpan, "text"], [asRequest, "request"]]) {
    button.addEventListener("click", () => {
      tab = name;
      showDetails();
    });
  }

  const listener = (message) => {
    if (message.kind === "spans") drawSoon();
    if (message.kind === "details") {
      answer = message;
      showDetails();
    }
  };
  listeners.add(listener);
  draw();
  return () => {
    clearTimeout(timer);
    listeners.delete(listener);
  };
}

// A function, so that every widget has a state of its own.
export default shared;
