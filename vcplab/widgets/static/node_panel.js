// The node panel. Whatever a server sends is set by textContent; nothing here is parsed as HTML.
// The kernel's half, and the messages, are in node_panel.py.
const STATES = {
  open: "open", connecting: "connecting…", waiting: "waiting for the next try", closed: "closed",
};
const SIGNS = {
  registered: "✓", pending: "…", draining: "↻", running: "…", succeeded: "✓", failed: "✗",
  cancelled: "⊘", timed_out: "✗", lost: "✗",
};
const WORDS = { timed_out: "timed out" };
const TOOL_STATES = {
  registered: "It was sent to the server on a connection that is open.",
  pending: "It will be sent as soon as there is a connection.",
  draining: "It changes as soon as the calls of it that run have ended.",
};
const COUNTS = [
  ["answered", "answered", "Calls that were answered with a result."],
  ["errors", "errors", "Calls that were answered with an error."],
  ["timed_out", "timed out", "Calls that took longer than their tool may; they are among the errors."],
  ["refused", "refused", "Calls of tools that are not offered; they are among the errors."],
  ["cancelled", "cancelled", "Calls that the server took back before they ended."],
  ["lost", "lost", "Calls that ended after their connection had. The server had failed them already " +
    "when the connection went, so their results were delivered to nobody."],
  ["ignored", "ignored", "Frames that ask nothing of a node."],
  ["malformed", "malformed", "Messages that are no frames; they were left out."],
  ["reconnects", "reconnects", "How often the connection was made anew."],
  ["stalls", "stalls", "When the kernel stood still in a call that does not let other threads work. " +
    "Calls waited meanwhile."],
];
const GRAVE = new Set(["errors", "timed_out", "lost", "malformed", "stalls"]);
const KEPT_CALLS = 200;
const PATIENCE = 1000; // milliseconds until a click that the kernel has not heard is said to wait
let unique = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name.split(" ").map((word) => `vcplab-node-${word}`).join(" ");
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(name, text, act) {
  const made = element("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** Set a text only where it is another: live regions would tell it again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function badge(state, title) {
  const made = element("span", "badge");
  made.dataset.state = state;
  if (title) made.title = title;
  const sign = element("span", "sign", SIGNS[state] ?? "?");
  sign.setAttribute("aria-hidden", "true");
  made.append(sign, WORDS[state] ?? state);
  return made;
}

function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

function clockTime(ms) {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
}

function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 2 ** 20 ? `${(count / 1024).toFixed(0)} KiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function identifier() {
  // Not randomUUID: pages that are not served over https do not have it.
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

/** Milliseconds as a line, from 0 to the longest. */
class Sparkline {
  constructor() {
    const make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
    this.node = make("svg");
    this.node.setAttribute("viewBox", "0 0 120 24");
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("class", "vcplab-node-spark");
    this.node.setAttribute("role", "img");
    this.line = make("polyline");
    this.node.append(this.line);
  }

  draw(values, words) {
    const top = Math.max(...values, 0.001) * 1.2;
    const step = values.length > 1 ? 120 / (values.length - 1) : 0;
    const drawn = values.length === 1 ? [values[0], values[0]] : values;
    const points = drawn.map((ms, at) => {
      return `${(at * (step || 120)).toFixed(1)},${(22.5 - (21 * ms) / top).toFixed(1)}`;
    });
    this.line.setAttribute("points", points.join(" "));
    this.node.setAttribute("aria-label", `Latency of the latest ${values.length} pings: ${words}`);
  }
}

function latency(values) {
  if (!values.length) return "no ping yet";
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  const text = (ms) => (ms < 100 ? ms.toFixed(1) : ms.toFixed(0));
  return `${text(values[values.length - 1])} ms (min ${text(sorted[0])}, median ${text(median)}, ` +
    `max ${text(sorted[sorted.length - 1])})`;
}

/** What the views of one widget share; it lives as long as the widget. */
function shared() {
  const state = {
    links: new Map(), tools: new Map(), calls: new Map(), log: [], limit: 200, loaded: false,
    preview: null, defaults: null, trouble: "", pending: new Map(), listeners: new Set(), views: 0,
    viewer: identifier(),
  };
  const tables = { links: state.links, tools: state.tools, calls: state.calls };

  function merge(message) {
    const rows = tables[message.kind];
    const known = message.whole ? new Map() : new Map(rows);
    for (const key of message.gone) known.delete(key);
    for (const row of message.rows) known.set(row.key, { ...row, at: performance.now() });
    rows.clear();
    for (const key of message.order ?? known.keys()) if (known.has(key)) rows.set(key, known.get(key));
  }

  function take(message) {
    if (message.kind in tables) merge(message);
    else if (message.kind === "log") {
      state.limit = message.limit;
      state.log = [...(message.whole ? [] : state.log), ...message.lines].slice(-message.limit);
    } else if (message.kind === "preview") state.preview = message;
    else if (message.kind === "defaults") state.defaults = message;
    else if (message.kind === "loaded") state.loaded = true;
    else if (message.kind === "problem") state.trouble = message.text;
    else if (message.kind === "heard") clearTimeout(state.pending.get(message.request)?.timer);
    else if (message.kind === "answer") {
      clearTimeout(state.pending.get(message.request)?.timer);
      message.asked = state.pending.get(message.request);
      state.pending.delete(message.request);
    }
    if (message.kind === "heard" && state.pending.has(message.request)) {
      state.pending.get(message.request).late = false;
    }
  }

  return {
    initialize({ model }) {
      const receive = (message) => {
        take(message);
        for (const listener of state.listeners) listener(message);
      };
      model.on("msg:custom", receive);
      return () => model.off("msg:custom", receive);
    },
    render({ model, el }) {
      const leave = render(state, model, el);
      // The kernel looks at the node only while somebody sees it.
      if ((state.views += 1) === 1) model.send({ kind: "ready", viewer: state.viewer });
      return () => {
        leave();
        if ((state.views -= 1) === 0) model.send({ kind: "away", viewer: state.viewer });
      };
    },
  };
}

/** The form that connects. A key that is typed leaves it once, and is not kept. */
class ConnectForm {
  constructor(ask, look) {
    this.ask = ask;
    this.node = element("form", "form");
    this.node.noValidate = true;
    this.node.autocomplete = "off";
    this.node.setAttribute("aria-label", "Connect to a main server");
    this.touched = new Set();
    this.fields = this.node.appendChild(element("div", "fields"));
    this.url = this.field("Server", "url", "ws://127.0.0.1:6005",
      "Its address; the port of a VCP main server is 6005 unless its config.env says otherwise.");
    this.key = this.field("Key", "key", "", "The value of Key in the server's config.env.", "password");
    this.name = this.field("Name", "name", "", "How this node calls itself there.");
    this.dialect = element("select");
    this.row("Dialect", this.dialect, "How tools are registered: toolbox for VCPToolBox.");
    this.expose = this.field("Expose", "expose", "only functions of the notebook",
      "Names or patterns of plugins that are offered too, e.g. Super* Weather; !Name leaves one out, " +
      "!* leaves out all.");
    this.expose.closest(".vcplab-node-field").dataset.wide = "";
    this.eye();
    const buttons = element("div", "buttons");
    this.submit = element("button", "main", "Connect");
    this.submit.type = "submit";
    this.note = element("span", "faint");
    this.note.setAttribute("role", "status");
    buttons.append(this.submit, this.note);
    this.alarm = element("div", "alarm");
    this.alarm.setAttribute("role", "alert");
    this.alarm.hidden = true;
    this.preview = element("div", "preview");
    this.node.append(buttons, this.alarm, this.preview);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.submit.disabled) this.send();
    });
    let timer = null;
    this.expose.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(this.expose.value), 250);
    });
  }

  row(text, control, about) {
    const id = `vcplab-node-${(unique += 1)}`;
    control.id = id;
    control.setAttribute("aria-describedby", `${id}-about`);
    const row = element("div", "field");
    const label = element("label", "label", text);
    label.htmlFor = id;
    const side = element("div", "control");
    const line = element("div", "line");
    line.append(control);
    const told = element("div", "about", about);
    told.id = `${id}-about`;
    side.append(line, told);
    row.append(label, side);
    this.fields.append(row);
    return line;
  }

  field(text, name, placeholder, about, type = "text") {
    const control = element("input");
    control.type = type;
    control.placeholder = placeholder;
    control.spellcheck = false;
    control.autocomplete = "off";
    control.autocapitalize = "off";
    control.addEventListener("input", () => this.touched.add(name));
    const line = this.row(text, control, about);
    if (name === "key") this.keyLine = line;
    return control;
  }

  /** The key can be seen while the button is held down, and only then. */
  eye() {
    const show = (shown) => {
      this.key.type = shown ? "text" : "password";
      eye.setAttribute("aria-pressed", String(shown));
    };
    const eye = button("", "Show", () => {});
    eye.title = "Shows the key while it is held down";
    eye.setAttribute("aria-label", "Show the key while held down");
    eye.setAttribute("aria-pressed", "false");
    eye.addEventListener("pointerdown", (event) => {
      if (event.button === 0) show(true);
    });
    for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) {
      eye.addEventListener(kind, () => show(false));
    }
    eye.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") show(true);
    });
    this.hideKey = () => show(false);
    this.keyLine.append(eye);
  }

  fill(defaults) {
    for (const name of ["url", "name"]) {
      if (!this.touched.has(name)) this[name].value = defaults[name];
    }
    this.key.placeholder = defaults.has_key ? "from the settings" : "";
    if (this.dialect.options.length) return;
    for (const name of defaults.dialects) {
      const option = element("option", "", name);
      option.value = name;
      this.dialect.append(option);
    }
  }

  send() {
    const key = this.key.value;
    this.key.value = "";
    this.touched.delete("key");
    this.hideKey();
    this.submit.disabled = true;
    this.complain("");
    say(this.note, "Connecting…");
    this.ask("connect", { url: this.url.value, key, name: this.name.value, expose: this.expose.value,
      dialect: this.dialect.value });
  }

  /** The kernel's word on it; whether the form has done its work. */
  answered(message) {
    this.submit.disabled = false;
    say(this.note, "");
    this.complain(message.problem);
    if (message.url) this.url.value = message.url;
    if (message.waits) {
      say(this.note, "It is not connected yet: see the link below. It goes on trying.");
    }
    return !message.problem && !message.waits;
  }

  complain(text) {
    this.alarm.textContent = text;
    this.alarm.hidden = !text;
  }

  show(preview) {
    const table = element("table", "table");
    table.setAttribute("aria-label", "What would be offered");
    const titles = table.appendChild(element("thead")).appendChild(element("tr"));
    for (const [text, name] of [["", "offered"], ["Name", ""], ["From", "from"], ["Why", "why"]]) {
      const cell = titles.appendChild(element("th", name && `col-${name}`, text));
      cell.scope = "col";
      if (!text) cell.setAttribute("aria-label", "Offered");
    }
    const body = table.appendChild(element("tbody"));
    for (const row of preview.rows) {
      const line = body.appendChild(element("tr", row.exposed ? "" : "off"));
      line.dataset.name = row.name;
      const offered = line.appendChild(element("td", "col-offered", row.exposed ? "✓" : "–"));
      offered.setAttribute("aria-label", row.exposed ? "yes" : "no");
      line.append(nameCell(row), element("td", "col-from", origin(row)),
        element("td", "col-why", row.why));
    }
    const nodes = [element("p", "title", preview.title)];
    if (!preview.title) nodes.pop();
    if (preview.problem) nodes.push(element("div", "trouble", preview.problem));
    if (preview.rows.length) {
      const wrap = element("div", "list");
      wrap.append(table);
      nodes.push(wrap);
    } else if (!preview.problem) {
      nodes.push(element("p", "faint", "The lab has no tools yet: write one with @lab.tool."));
    }
    this.preview.replaceChildren(...nodes);
  }
}

function origin(row) {
  return row.type === "static" ? `${row.source}, static` : row.source;
}

function nameCell(row) {
  const cell = element("td", "col-name");
  cell.append(element("span", "name", row.name));
  if (row.wire !== row.name) cell.append(element("span", "as", `as ${row.wire}`));
  if (row.description) cell.append(element("span", "said", row.description));
  // Where it is narrow these two have no columns.
  cell.append(element("span", "folded", `${origin(row)} · ${row.why}`));
  return cell;
}

/** One link: its light, figures, counters, and the table of what is offered. */
class Card {
  constructor(ask) {
    this.ask = ask;
    this.node = element("article", "link");
    const light = element("span", "light");
    light.setAttribute("aria-hidden", "true");
    this.words = element("span", "words");
    this.words.setAttribute("role", "status");
    this.count = element("span", "count");
    this.url = element("code", "url");
    this.facts = element("span", "facts");
    this.retry = button("", "Reconnect now", () => this.act("retry"));
    this.retry.title = "Try again at once, without waiting";
    this.end = button("", "Disconnect", () => this.act("disconnect"));
    const tools = element("div", "tools");
    tools.append(this.retry, this.end);
    const bar = element("header", "bar");
    const state = element("span", "state");
    state.append(light, this.words, this.count);
    bar.append(state, this.url, this.facts, tools);
    this.problem = element("div", "trouble");
    this.answer = element("div", "alarm");
    this.answer.setAttribute("role", "alert");
    this.answer.hidden = true;

    const meters = element("div", "meters");
    this.spark = new Sparkline();
    this.ping = element("span");
    this.rate = element("span", "rate");
    this.traffic = element("span", "traffic");
    const ping = element("span", "ping");
    ping.append(this.spark.node, this.ping);
    meters.append(ping, this.rate, this.traffic);

    this.counters = new Map();
    const counts = element("div", "counts");
    counts.setAttribute("role", "list");
    counts.setAttribute("aria-label", "Counters");
    for (const [name, text, about] of COUNTS) {
      const made = element("span", "counter");
      made.setAttribute("role", "listitem");
      made.tabIndex = 0;
      made.dataset.name = name;
      const number = element("b", "", "0");
      const tip = element("span", "tip");
      tip.id = `vcplab-node-${(unique += 1)}`;
      tip.setAttribute("role", "tooltip");
      made.setAttribute("aria-describedby", tip.id);
      made.append(number, ` ${text}`, tip);
      made.addEventListener("keydown", (event) => {
        if (event.key === "Escape") made.blur();
      });
      counts.append(made);
      this.counters.set(name, { made, number, tip, about });
    }

    this.offer = element("details", "offer");
    this.offer.open = true;
    this.title = element("summary", "summary");
    const wrap = element("div", "list");
    this.table = element("table", "table");
    const titles = this.table.appendChild(element("thead")).appendChild(element("tr"));
    for (const [name, text] of [["switch", "Offer"], ["name", "Name"], ["from", "From"],
      ["why", "Why"], ["state", "At the server"], ["running", "Running"], ["calls", "Calls"]]) {
      titles.appendChild(element("th", `col-${name}`, text)).scope = "col";
    }
    this.body = this.table.appendChild(element("tbody"));
    wrap.append(this.table);
    this.offer.append(this.title, wrap);
    this.node.append(bar, this.problem, this.answer, meters, counts, this.offer);
    this.rows = new Map();
  }

  act(kind, more = {}) {
    this.complain("");
    this.ask(kind, { link: this.link.id, ...more });
  }

  complain(text) {
    this.answer.textContent = text;
    this.answer.hidden = !text;
  }

  draw(link) {
    this.link = link;
    this.node.dataset.state = link.state;
    this.node.dataset.link = link.id;
    this.node.setAttribute("aria-label", `Link to ${link.url}`);
    say(this.words, STATES[link.state] ?? link.state);
    say(this.url, link.url);
    const facts = [`as ${link.name}`, link.dialect !== "toolbox" && `dialect ${link.dialect}`,
      link.server_id && `there: ${link.server_id}`, link.state === "open" && plural(link.lines, "connection"),
      `since ${clockTime(link.since)}`];
    say(this.facts, facts.filter(Boolean).join(" · "));
    say(this.problem, link.problem);
    this.problem.hidden = !link.problem;
    this.retry.hidden = link.state === "open" || link.state === "closed";
    say(this.end, link.state === "closed" ? "Remove" : "Disconnect");
    const words = latency(link.latencies);
    say(this.ping, words);
    this.spark.node.toggleAttribute("hidden", !link.latencies.length);
    if (link.latencies.length) this.spark.draw(link.latencies, words);
    say(this.rate, `${link.rate.toFixed(1)} calls/s, ${link.running} running`);
    say(this.traffic, `${bytes(link.bytes_in)} in, ${bytes(link.bytes_out)} out`);
    for (const [name, { made, number, tip, about }] of this.counters) {
      const [count, more] = this.counted(name);
      say(number, count);
      say(tip, more ? `${about}\n${more}` : about);
      made.dataset.none = String(count === "0");
      made.dataset.grave = String(GRAVE.has(name) && count !== "0");
    }
    this.tick();
  }

  /** The figure of a counter, and what its explanation adds. */
  counted(name) {
    const { link } = this;
    if (name === "ignored") {
      const sum = link.ignored.reduce((all, [, count]) => all + count, 0);
      return [sum.toLocaleString("en"), link.ignored.map(([kind, n]) => `${kind}: ${n}`).join("\n")];
    }
    if (name === "stalls") {
      if (!link.stall_count) return ["0", ""];
      const latest = link.stalls.map(([at, seconds]) => `${clockTime(at)}: ${seconds.toFixed(1)} s`);
      return [`${link.stall_count} (${link.stall_seconds.toFixed(1)} s)`, latest.join("\n")];
    }
    return [link[name].toLocaleString("en"), ""];
  }

  /** Count down to the next try; whether there is something to count. */
  tick() {
    const { live, at, state } = this.link;
    if (state !== "waiting" || live === null) {
      say(this.count, "");
      return false;
    }
    const left = Math.max(0, live - (performance.now() - at) / 1000);
    say(this.count, `in ${left.toFixed(left < 10 ? 1 : 0)} s`);
    return true;
  }

  offers(rows) {
    const on = rows.filter((row) => row.exposed).length;
    say(this.title, `Offered to this server: ${on} of ${rows.length}`);
    this.table.setAttribute("aria-label", `What ${this.link.url} is offered`);
    const names = new Set(rows.map((row) => row.key));
    for (const key of this.rows.keys()) if (!names.has(key)) this.rows.delete(key);
    const nodes = rows.map((row) => this.row(row));
    if (!nodes.length) {
      const empty = element("td", "empty", "The lab has no tools yet: write one with @lab.tool.");
      empty.colSpan = 7;
      nodes.push(element("tr"));
      nodes[0].append(empty);
    }
    place(this.body, nodes);
  }

  row(row) {
    let known = this.rows.get(row.key);
    if (!known) {
      const node = element("tr", "tool");
      const flip = button("switch", "", () => {
        const wanted = flip.getAttribute("aria-checked") !== "true";
        known.wanted = wanted;
        flip.setAttribute("aria-checked", String(wanted));
        flip.setAttribute("aria-busy", "true");
        this.act("switch", { name: row.name, on: wanted });
      });
      flip.setAttribute("role", "switch");
      flip.setAttribute("aria-label", `Offer ${row.name} to ${this.link.url}`);
      flip.append(element("i", "knob"));
      const rule = button("rule", "↺", () => {
        this.act("switch", { name: row.name, on: null });
      });
      rule.title = "Back to the rule: what expose= says";
      rule.setAttribute("aria-label", `Back to the rule for ${row.name}`);
      known = { node, flip, rule, text: "" };
      this.rows.set(row.key, known);
    }
    const text = JSON.stringify({ ...row, at: 0 });
    if (text === known.text) return known.node;
    known.text = text;
    const { node, flip, rule } = known;
    flip.setAttribute("aria-checked", String(row.on));
    flip.removeAttribute("aria-busy");
    flip.disabled = row.source === "node";
    rule.hidden = !row.switched;
    node.className = row.exposed ? "vcplab-node-tool" : "vcplab-node-tool vcplab-node-off";
    node.dataset.name = row.name;
    node.dataset.state = row.state || "off";
    const first = node.firstElementChild ?? element("td", "col-switch");
    if (!first.firstElementChild) first.append(flip, rule);
    const standing = element("td", "col-state");
    if (row.state) standing.append(badge(row.state, TOOL_STATES[row.state]));
    else standing.append(element("span", "faint", row.type === "static" && row.exposed ? "value" : "–"));
    const rest = [nameCell(row), element("td", "col-from", origin(row)),
      element("td", "col-why", row.why), standing, element("td", "col-running", row.running || ""),
      element("td", "col-calls", row.calls === null ? "" : row.calls.toLocaleString("en"))];
    // The switch's own cell stays: a replaced one would lose the focus.
    if (node.firstElementChild) {
      while (node.children.length > 1) node.lastElementChild.remove();
    } else node.append(first);
    node.append(...rest);
    return node;
  }

  answered(message) {
    this.complain(message.problem);
    if (message.to !== "switch") return;
    for (const { flip } of this.rows.values()) flip.removeAttribute("aria-busy");
    if (!message.problem) return;
    for (const known of this.rows.values()) {
      flipBack(known);
    }
  }
}

/** After a switch that failed: as the kernel last said. */
function flipBack(known) {
  known.flip.setAttribute("aria-checked", String(JSON.parse(known.text).on));
}

/** Make these the children; nodes that stay where they are keep their focus. */
function place(parent, nodes) {
  if (nodes.length === parent.children.length && nodes.every((n, at) => n === parent.children[at])) {
    return;
  }
  const focused = document.activeElement;
  const mine = parent.contains(focused);
  parent.replaceChildren(...nodes);
  if (mine && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** One call, folded to two lines. */
class CallEntry {
  constructor() {
    this.node = element("article", "call");
    this.fold = button("fold", "", () => this.unfold(this.more.hidden));
    this.time = element("span", "at");
    this.tool = element("span", "name");
    this.mark = element("span");
    this.took = element("span", "took");
    this.maid = element("span", "maid");
    this.brief = element("code", "brief");
    const bar = element("header");
    bar.append(this.fold, this.time, this.tool, this.mark, this.took, this.maid, this.brief);
    this.said = element("code", "outcome");
    this.more = element("div", "more");
    this.node.append(bar, this.said, this.more);
    this.shown = null;
    this.unfold(false);
  }

  unfold(open) {
    this.more.hidden = !open;
    this.said.dataset.folded = String(!open);
    this.fold.textContent = open ? "▾" : "▸";
    this.fold.setAttribute("aria-expanded", String(open));
    this.outline();
  }

  outline() {
    const what = this.call ? ` of the call of ${this.call.tool}` : "";
    this.fold.setAttribute("aria-label", `${this.more.hidden ? "Show" : "Hide"} the details${what}`);
    this.said.hidden = !this.more.hidden || !this.said.textContent;
  }

  draw(call, several) {
    this.call = call;
    if (this.shown === call) return;
    this.shown = call;
    this.node.dataset.state = call.state;
    this.node.dataset.tool = call.tool;
    say(this.time, clockTime(call.began));
    say(this.tool, call.tool);
    this.mark.replaceChildren(badge(call.state));
    say(this.maid, [call.maid && `by ${call.maid}`, several && call.link].filter(Boolean).join(" · "));
    say(this.brief, call.arguments);
    const outcome = call.error || call.result;
    this.said.dataset.failed = String(Boolean(call.error));
    say(this.said, outcome ? `${call.error ? "" : "→ "}${outcome.slice(0, 400)}` : "");
    const parts = [["Arguments", call.arguments, "text"], ["Result", call.result, "text"],
      ["Error", call.error, "failure"]];
    this.more.replaceChildren(...parts.filter(([, text]) => text).flatMap(([title, text, kind]) => {
      return [element("div", "part", title), element("pre", kind, text)];
    }));
    this.outline();
    this.tick();
  }

  tick() {
    const { call } = this;
    if (call.ms !== null) {
      say(this.took, duration(call.ms));
      return false;
    }
    say(this.took, duration(call.live + performance.now() - call.at));
    return true;
  }
}

function render(state, model, el) {
  const root = element("div");
  root.className = "vcplab-node";
  let clock = null;

  const head = element("div", "head");
  const heading = element("strong", "", "Node");
  const status = element("span", "status");
  status.setAttribute("role", "status");
  const waits = element("span", "waits");
  waits.setAttribute("role", "status");
  const opener = button("opener", "Connect…", () => turnForm(formBox.hidden));
  opener.setAttribute("aria-expanded", "false");
  head.append(heading, status, waits, opener);
  const alarm = element("div", "alarm");
  alarm.setAttribute("role", "alert");
  alarm.hidden = true;
  const formBox = element("section", "connect");
  formBox.hidden = true;
  const cards = element("div", "links");
  const tabs = element("div", "tabs");
  tabs.setAttribute("role", "tablist");
  root.append(head, alarm, formBox, cards, tabs);
  el.append(root);

  /** Ask the kernel; says so where it takes its time to hear. */
  function ask(kind, fields) {
    const request = identifier();
    const pending = { kind, late: false };
    pending.timer = setTimeout(() => {
      pending.late = true;
      drawWaits();
    }, PATIENCE);
    state.pending.set(request, pending);
    model.send({ kind, request, ...fields });
  }

  function drawWaits() {
    const late = [...state.pending.values()].some((pending) => pending.late);
    say(waits, late ? "Waiting for the kernel: it is busy with a cell." : "");
  }

  // The form

  const form = new ConnectForm(ask, (expose) => model.send({ kind: "preview", expose }));
  formBox.append(form.node);
  let turned = false; // somebody uses it: it neither opens nor closes by itself
  form.node.addEventListener("input", () => {
    turned = true;
  });

  function turnForm(open, byHand = true) {
    turned ||= byHand;
    formBox.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (!open) form.hideKey();
    if (open && byHand) {
      model.send({ kind: "preview", expose: form.expose.value });
      form.url.focus();
    }
  }

  // The pages below

  const pages = ["Calls", "Log"].map((name) => {
    const id = `vcplab-node-${(unique += 1)}`;
    const tab = button("tab", name, () => turn(name));
    tab.id = `${id}-tab`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", id);
    const page = element("div", "page");
    page.id = id;
    page.setAttribute("role", "tabpanel");
    page.setAttribute("aria-labelledby", tab.id);
    tabs.append(tab);
    root.append(page);
    return { name, tab, page };
  });
  const turn = (name, focus) => {
    for (const { name: own, tab, page } of pages) {
      const here = own === name;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      page.hidden = !here;
      if (here && focus) tab.focus();
    }
    if (name === "Log") log.scrollTop = log.scrollHeight;
  };
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = pages.findIndex(({ tab }) => tab === event.target);
    turn(pages[(at + step + pages.length) % pages.length].name, true);
  });
  const [callPage, logPage] = pages.map(({ page }) => page);
  const search = element("input");
  search.type = "search";
  search.placeholder = "Filter calls";
  search.setAttribute("aria-label", "Filter calls");
  const found = element("span", "found");
  const bar = element("div", "filter");
  bar.append(search, found);
  const calls = element("div", "calls");
  calls.tabIndex = 0;
  calls.setAttribute("aria-label", "Calls, newest first");
  calls.setAttribute("role", "region");
  callPage.append(bar, calls);
  const log = element("div", "log");
  log.tabIndex = 0;
  log.setAttribute("role", "region");
  log.setAttribute("aria-label", "Log");
  logPage.append(log);
  turn("Calls");

  const made = new Map(); // id of a link -> its card
  const entries = new Map(); // key of a call -> its entry
  let drawnLog = null;

  function drawLinks() {
    const links = [...state.links.values()];
    for (const key of made.keys()) if (!state.links.has(key)) made.delete(key);
    const nodes = links.map((link) => {
      if (!made.has(link.key)) made.set(link.key, new Card(ask));
      const card = made.get(link.key);
      card.draw(link);
      return card.node;
    });
    place(cards, nodes);
    const open = links.filter((link) => link.state === "open").length;
    if (!state.loaded) say(status, "Waiting for the kernel…");
    else if (!links.length) say(status, "Not connected");
    else say(status, `${open} of ${plural(links.length, "link")} open`);
    tabs.hidden = callPage.parentElement === null || !state.loaded;
    if (state.loaded && !turned) turnForm(!links.length, false);
    drawTools();
    wind();
  }

  function drawTools() {
    const rows = new Map([...made.keys()].map((id) => [id, []]));
    for (const row of state.tools.values()) rows.get(row.link)?.push(row);
    for (const [id, card] of made) card.offers(rows.get(id));
  }

  function drawCalls() {
    const query = search.value.trim().toLowerCase();
    const fields = ["tool", "state", "arguments", "result", "error", "maid", "link"];
    const all = [...state.calls.values()].sort((a, b) => b.id - a.id);
    const seen = all.filter((call) => {
      return !query || fields.some((name) => call[name].toLowerCase().includes(query));
    }).slice(0, KEPT_CALLS * 2);
    for (const key of entries.keys()) if (!state.calls.has(key)) entries.delete(key);
    const nodes = seen.map((call) => {
      if (!entries.has(call.key)) entries.set(call.key, new CallEntry());
      const entry = entries.get(call.key);
      entry.draw(call, state.links.size > 1);
      return entry.node;
    });
    const none = all.length ? "Nothing matches." : "No calls yet. They appear here as servers make them.";
    if (!nodes.length) nodes.push(element("p", "empty", none));
    place(calls, nodes);
    const running = all.filter((call) => call.state === "running").length;
    const shown = seen.length === all.length ? "" : `, ${seen.length} shown`;
    const most = all.length >= KEPT_CALLS ? "the latest " : "";
    say(found, all.length ? `${most}${plural(all.length, "call")}, ${running} running${shown}` : "");
    wind();
  }

  function drawLog() {
    if (drawnLog === state.log) return;
    drawnLog = state.log;
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    const lines = state.log.map((line) => {
      const node = element("div", "entry");
      node.dataset.level = line.level;
      node.append(element("span", "at", clockTime(line.at)),
        element("span", "level", line.level), element("span", "where", line.link),
        element("span", "text", line.text));
      return node;
    });
    log.replaceChildren(...(lines.length ? lines : [element("p", "empty", "Nothing happened yet.")]));
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  function drawAlarm() {
    alarm.textContent = state.trouble;
    alarm.hidden = !state.trouble;
  }

  /** Count what counts: running calls up, and down to the next try. */
  function tick() {
    let live = false;
    for (const card of made.values()) live = card.tick() || live;
    for (const [key, entry] of entries) if (state.calls.has(key)) live = entry.tick() || live;
    return live;
  }

  function wind() {
    const live = tick();
    if (live && clock === null) {
      clock = setInterval(() => {
        if (tick()) return;
        clearInterval(clock);
        clock = null;
      }, 200);
    }
  }

  search.addEventListener("input", drawCalls);
  // Keys typed here are not shortcuts of the notebook.
  root.addEventListener("keydown", (event) => event.stopPropagation());

  const listener = (message) => {
    const { kind } = message;
    if (kind === "links" || kind === "loaded") drawLinks();
    else if (kind === "tools") drawTools();
    else if (kind === "log") drawLog();
    else if (kind === "preview") form.show(message);
    else if (kind === "defaults") form.fill(message);
    else if (kind === "problem") drawAlarm();
    else if (kind === "heard") drawWaits();
    else if (kind === "answer") {
      drawWaits();
      if (message.to === "connect") {
        if (form.answered(message)) {
          const mine = formBox.contains(document.activeElement);
          turned = false;
          turnForm(false, false);
          if (mine) opener.focus();
        }
      } else if (made.has(message.link)) made.get(message.link).answered(message);
      else if (message.problem) {
        alarm.textContent = message.problem;
        alarm.hidden = false;
      }
    }
    // Whether a call tells its link depends on how many there are.
    if (kind === "calls" || kind === "links") drawCalls();
  };
  state.listeners.add(listener);
  if (state.defaults) form.fill(state.defaults);
  if (state.preview) form.show(state.preview);
  drawLinks();
  drawCalls();
  drawLog();
  drawAlarm();
  return () => {
    clearInterval(clock);
    state.listeners.delete(listener);
  };
}

// A function, so that every widget has a state of its own.
export default shared;
