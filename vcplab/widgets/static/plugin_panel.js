// The plugin panel. Whatever a plugin says is set by textContent; nothing here is parsed as HTML.
// The kernel's half, and the messages, are in plugin_panel.py.
const SIGNS = {
  ready: "✓", disabled: "○", untrusted: "!", changed: "!", broken: "✗", clash: "✗", waiting: "…",
  unsupported: "–", asked: "…", running: "…", pending: "…", succeeded: "✓", failed: "✗",
  cancelled: "⊘", timed_out: "✗", lost: "✗",
};
const WORDS = { asked: "waiting for the kernel", timed_out: "timed out" };
const COLUMNS = [
  ["name", "Name"], ["type", "Type"], ["dialect", "Dialect"], ["host", "Host"],
  ["state", "State"], ["calls", "Calls"], ["p95", "p95"],
];
const IMAGE = /^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/i;
const LONGEST = 5000; // longer lines and paragraphs are shown without looking for marks in them
const DEPTH = 6;
const KEPT_RUNS = 40;
const TRUST = {
  untrusted:
    "Nothing in this folder has run yet. Once you trust it, its programs run with your rights: they " +
    "can read and write your files and reach the network. The trust holds for exactly these files; " +
    "a change asks again.",
  changed:
    "The files of this plugin are not the ones that you trusted, so none of them runs. Look at what " +
    "changed first: trusting it again gives its programs your rights over files and network.",
};
const STOPPED = {
  disabled: "It is disabled: switch it on to run it.",
  untrusted: "It can run once you trust it.",
  changed: "It can run once you trust it again.",
  broken: "It cannot run: see the problem above.",
  clash: "It cannot run: another plugin has its name.",
  waiting: "It waits for other plugins.",
  unsupported: "This edition cannot run it.",
};
let unique = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name.split(" ").map((word) => `vcplab-plugins-${word}`).join(" ");
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(name, text, act) {
  const made = element("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function badge(state) {
  const made = element("span", "badge");
  made.dataset.state = state;
  const sign = element("span", "sign", SIGNS[state] ?? "?");
  sign.setAttribute("aria-hidden", "true");
  made.append(sign, WORDS[state] ?? state);
  return made;
}

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (typeof ms !== "number") return String(ms);
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

/** Markdown as nodes: what a README needs, and any HTML in it as text. */
const markdown = {
  render(text) {
    const root = element("div", "readme");
    this.blocks(text.replace(/\r\n?/g, "\n").split("\n"), root, 0);
    return root;
  },

  blocks(lines, into, depth) {
    let at = 0;
    let paragraph = [];
    const flush = () => {
      if (paragraph.length) this.inline(paragraph.join("\n"), into.appendChild(element("p")), 0);
      paragraph = [];
    };
    while (at < lines.length) {
      const line = lines[at];
      const fence = /^ {0,3}(`{3,}|~{3,})/.exec(line);
      const heading = /^ {0,3}(#{1,6})\s(.*)$/.exec(line);
      if (line.length > LONGEST) {
        flush();
        into.append(element("p", "", line));
        at += 1;
      } else if (fence) {
        flush();
        let end = at + 1;
        while (end < lines.length && !lines[end].trimStart().startsWith(fence[1])) end += 1;
        const code = element("code", "", lines.slice(at + 1, end).join("\n"));
        into.appendChild(element("pre")).append(code);
        at = end + 1;
      } else if (heading) {
        flush();
        // The panel's own headings stay above a README's.
        const made = element(`h${Math.min(6, heading[1].length + 2)}`);
        this.inline(heading[2].trim().replace(/ #+$/, ""), into.appendChild(made), 0);
        at += 1;
      } else if (/^ {0,3}([-*_])( *\1){2,} *$/.test(line)) {
        flush();
        into.append(element("hr"));
        at += 1;
      } else if (/^ {0,3}>/.test(line) && depth < DEPTH) {
        flush();
        const inside = [];
        while (at < lines.length && /^ {0,3}>/.test(lines[at])) {
          inside.push(lines[at].replace(/^ {0,3}> ?/, ""));
          at += 1;
        }
        this.blocks(inside, into.appendChild(element("blockquote")), depth + 1);
      } else if (/^ {0,3}([-*+]|\d{1,9}[.)])\s/.test(line) && depth < DEPTH) {
        flush();
        at = this.list(lines, at, into, depth);
      } else if (line.includes("|") && /^[\s|:-]+$/.test(lines[at + 1] ?? "")
        && /\|.*-|-.*\|/.test(lines[at + 1])) {
        flush();
        at = this.table(lines, at, into);
      } else {
        if (line.trim()) paragraph.push(line.trim());
        else flush();
        at += 1;
      }
    }
    flush();
  },

  list(lines, at, into, depth) {
    const start = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+)/.exec(lines[at]);
    const ordered = /\d/.test(start[2]);
    const list = into.appendChild(element(ordered ? "ol" : "ul"));
    if (ordered) list.start = Number.parseInt(start[2], 10);
    while (at < lines.length) {
      const item = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+)/.exec(lines[at]);
      if (!item || /\d/.test(item[2]) !== ordered) break;
      const indent = item[1].length + item[2].length + 1;
      const inside = [lines[at].slice(item[0].length)];
      at += 1;
      while (at < lines.length) {
        const line = lines[at];
        const spaces = /^ */.exec(line)[0].length;
        if (line.trim() && spaces < 2) {
          const block = /^([-*+]\s|\d{1,9}[.)]\s|#{1,6}\s|```|~~~|>)/.test(line.trimStart());
          if (block || !lines[at - 1].trim()) break;
        }
        inside.push(line.slice(Math.min(spaces, indent)));
        at += 1;
      }
      const made = list.appendChild(element("li"));
      this.blocks(inside, made, depth + 1);
      // A line alone needs no paragraph.
      const first = made.firstElementChild;
      if (first?.tagName === "P") first.replaceWith(...first.childNodes);
    }
    return at;
  },

  table(lines, at, into) {
    const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
    const table = into.appendChild(element("div", "wide")).appendChild(element("table"));
    const put = (line, tag) => {
      const row = table.appendChild(element("tr"));
      for (const cell of cells(line)) this.inline(cell, row.appendChild(element(tag)), 0);
    };
    put(lines[at], "th");
    at += 2;
    while (at < lines.length && lines[at].includes("|")) {
      put(lines[at], "td");
      at += 1;
    }
    return at;
  },

  inline(text, into, depth) {
    if (text.length > LONGEST || depth > DEPTH) {
      into.append(text);
      return;
    }
    const token =
      /(?<!`)(`+)(?!`)([\s\S]*?[^`])\1(?!`)|\*\*([^\s*](?:[^*]|\*(?!\*))*?)\*\*|(?<![\w*])\*([^\s*][^*]*)\*(?![\w*])|!\[([^\]]*)\]\([^)]*\)|\[([^\]]+)\]\(((?:[^()\s]|\([^()\s]*\))+)(?:\s[^)]*)?\)|<(https?:\/\/[^\s>]+)>/g;
    let end = 0;
    for (const found of text.matchAll(token)) {
      into.append(text.slice(end, found.index));
      end = found.index + found[0].length;
      const [, , code, bold, slanted, picture, label, address, bare] = found;
      if (code !== undefined) into.append(element("code", "", code.trim()));
      else if (bold !== undefined) this.inline(bold, into.appendChild(element("strong")), depth + 1);
      else if (slanted !== undefined) this.inline(slanted, into.appendChild(element("em")), depth + 1);
      else if (picture !== undefined) into.append(element("span", "faint", `[picture: ${picture}]`));
      else if (bare !== undefined) this.link(bare, into).append(bare);
      else this.inline(label, this.link(address, into), depth + 1);
    }
    into.append(text.slice(end));
  },

  /** A link that opens, for addresses of the web only; others stay text. */
  link(address, into) {
    let url = null;
    try {
      url = new URL(address);
    } catch {
      // a relative address leads nowhere from here
    }
    if (!url || !["http:", "https:"].includes(url.protocol)) {
      const made = into.appendChild(element("span", "faint"));
      made.title = address;
      return made;
    }
    const made = into.appendChild(element("a"));
    made.href = url.href;
    made.title = url.href;
    made.target = "_blank";
    made.rel = "noopener noreferrer";
    return made;
  },
};

/** One field of the form: a control, what it means, and the reading of what was typed. */
class Field {
  constructor(parameter) {
    this.parameter = parameter;
    this.id = `vcplab-plugins-${(unique += 1)}`;
    this.touched = false;
    const control = this.build();
    control.id = this.id;
    this.control = control;
    control.addEventListener(control.tagName === "SELECT" ? "change" : "input", () => {
      this.touched = true;
      this.complain("");
    });

    this.node = element("div", "field");
    const label = element("label", "label");
    label.htmlFor = this.id;
    label.append(element("code", "", parameter.name));
    if (parameter.required) {
      const star = element("span", "star", "*");
      star.title = "required";
      label.append(star);
      control.setAttribute("aria-required", "true");
    }
    const kind = parameter.declared === false ? "suggested, optional"
      : parameter.choices.length ? `one of ${parameter.choices.length}` : parameter.type;
    label.append(element("span", "kind", kind));
    const side = element("div", "control");
    side.append(control);
    this.error = element("div", "wrong");
    this.error.id = `${this.id}-wrong`;
    this.error.setAttribute("role", "alert");
    if (parameter.description) {
      const about = element("div", "about", parameter.description);
      about.id = `${this.id}-about`;
      side.append(about);
    }
    side.append(this.error);
    control.setAttribute("aria-describedby", `${this.id}-about ${this.id}-wrong`);
    this.node.append(label, side);
  }

  get structured() {
    return this.parameter.type === "array" || this.parameter.type === "object";
  }

  build() {
    const { type, choices, has_default: preset, default: value } = this.parameter;
    const text = typeof value === "string" ? value : JSON.stringify(value, null, this.structured ? 2 : 0);
    if (choices.length) {
      const made = element("select");
      if (!preset || !this.parameter.required) made.append(element("option", "", "–"));
      choices.forEach((choice, at) => {
        const option = element("option", "", typeof choice === "string" ? choice : JSON.stringify(choice));
        option.value = String(at);
        made.append(option);
        if (preset && JSON.stringify(choice) === JSON.stringify(value)) option.selected = true;
      });
      if (made.firstElementChild.textContent === "–") made.firstElementChild.value = "";
      return made;
    }
    if (type === "boolean") {
      const made = element("input");
      made.type = "checkbox";
      if (preset) made.checked = value === true;
      // Neither true nor false was said, and a call need not say it.
      else made.indeterminate = !this.parameter.required;
      return made;
    }
    if (type === "integer" || type === "number") {
      const made = element("input");
      made.type = "number";
      made.step = type === "integer" ? "1" : "any";
      if (this.parameter.minimum !== undefined) made.min = String(this.parameter.minimum);
      if (this.parameter.maximum !== undefined) made.max = String(this.parameter.maximum);
      if (preset && value !== null) made.value = text;
      return made;
    }
    const long = this.structured || this.parameter.long;
    const made = element(long ? "textarea" : "input");
    if (long) made.rows = this.structured ? 3 : 4;
    else made.type = "text";
    made.spellcheck = false;
    if (this.structured) made.placeholder = type === "array" ? "[…]" : "{…}";
    if (preset && value !== null) made.value = text;
    return made;
  }

  /** What was typed as it stands, to carry it over to a form that was built anew. */
  get state() {
    const { control } = this;
    return { type: control.type, value: control.value, checked: control.checked,
      indeterminate: control.indeterminate, touched: this.touched };
  }

  set state(state) {
    if (!state.touched || state.type !== this.control.type) return;
    Object.assign(this.control, { value: state.value });
    if (state.type === "checkbox") {
      this.control.checked = state.checked;
      this.control.indeterminate = state.indeterminate;
    }
    this.touched = true;
  }

  /** [whether there is a value, the value]; complains and throws where it is wrong. */
  read() {
    const { control, parameter } = this;
    const { type, choices, required } = parameter;
    if (control.type === "checkbox") return [!control.indeterminate, control.checked];
    if (control.validity.badInput) this.fail("This is not a number.");
    const { value } = control;
    if (value === "" || (value.trim() === "" && type !== "string" && type !== "any")) {
      // An empty text is a value where it takes the place of a default.
      if (required) this.fail("This is required.");
      const emptied = this.touched && type === "string" && parameter.has_default;
      return [emptied && !parameter.fixed, ""];
    }
    if (choices.length) return [true, choices[Number(value)]];
    if (type === "integer" || type === "number") return [true, this.number(Number(value))];
    if (this.structured) return [true, this.json(value)];
    if (type !== "any" || parameter.declared === false) return [true, value];
    try {
      return [true, JSON.parse(value)];
    } catch {
      return [true, value];
    }
  }

  number(value) {
    const { type, minimum, maximum } = this.parameter;
    if (type === "integer" && !Number.isInteger(value)) this.fail("This must be a whole number.");
    if (type === "integer" && !Number.isSafeInteger(value)) this.fail("This is too large to be exact.");
    if (minimum !== undefined && value < minimum) this.fail(`This must be at least ${minimum}.`);
    if (maximum !== undefined && value > maximum) this.fail(`This must be at most ${maximum}.`);
    return value;
  }

  json(text) {
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.fail(`This is not JSON: ${error.message}`);
    }
    const isArray = Array.isArray(value);
    if (this.parameter.type === "array" && !isArray) this.fail("This must be an array: […]");
    if (this.parameter.type === "object" && (isArray || typeof value !== "object" || value === null)) {
      this.fail("This must be an object: {…}");
    }
    return value;
  }

  fail(text) {
    this.complain(text);
    throw new Error(text);
  }

  complain(text) {
    this.error.textContent = text;
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

function commandField(word) {
  return { name: "command", type: "string", description: "As in the example; empty sends none.",
    declared: true, required: false, has_default: true, default: word, choices: [], fixed: true };
}

/** The form of one plugin: its commands, the fields of the chosen one, free arguments. */
class Form {
  constructor(details, run) {
    this.node = element("form", "form");
    this.node.noValidate = true;
    this.node.setAttribute("aria-label", "Arguments");
    this.fields = [];
    this.body = element("div", "fields");
    const { commands } = details;
    this.details = details;
    this.command = null;
    if (commands.length > 1) {
      this.picker = element("select");
      this.picker.id = `vcplab-plugins-${(unique += 1)}`;
      commands.forEach((command, at) => {
        const option = element("option", "", command.label || `Command ${at + 1}`);
        option.value = String(at);
        this.picker.append(option);
      });
      const row = element("div", "field");
      const label = element("label", "label", "Command");
      label.htmlFor = this.picker.id;
      const side = element("div", "control");
      this.sends = element("div", "about");
      side.append(this.picker, this.sends);
      row.append(label, side);
      this.node.append(row);
      this.picker.addEventListener("change", () => this.choose());
    }
    this.node.append(this.body);
    this.buttons = element("div", "buttons");
    this.submit = element("button", "main", "Run");
    this.submit.type = "submit";
    this.reason = element("span", "faint");
    this.buttons.append(this.submit, this.reason);
    this.node.append(this.buttons);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      const values = this.read();
      if (values) run(values);
    });
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        if (!this.submit.disabled) this.node.requestSubmit();
      }
    });
    this.choose();
  }

  choose() {
    const { commands, parameters } = this.details;
    const command = commands[this.picker ? Number(this.picker.value) : 0];
    const before = this.snapshot();
    let wanted = command?.parameters.length ? command.parameters : parameters;
    if (this.picker) wanted = command.parameters;
    this.word = null;
    if (!wanted.some((parameter) => parameter.name === "command")) {
      if (this.picker) this.word = command.word ?? command.label;
      // One command needs no word, but where its example has one it may be looked for.
      else if (command?.word) wanted = [commandField(command.word), ...wanted];
    }
    if (this.picker) this.sends.textContent = this.word ? `Sends command = ${this.word}` : "";
    this.fields = wanted.map((parameter) => new Field(parameter));
    const nodes = this.fields.map((field) => field.node);
    this.more = null;
    if (!wanted.some((parameter) => parameter.declared && !parameter.fixed)) {
      this.more = new Field({ name: "more arguments", type: "object", required: false, choices: [],
        description: "This plugin declares no parameters: write further arguments as JSON, " +
          'e.g. {"query": "…"}.', declared: true, has_default: false });
      nodes.push(this.more.node);
    }
    const about = [];
    if (command?.description) about.push(element("p", "said", command.description));
    if (command?.example) {
      const example = element("details", "example");
      example.append(element("summary", "", "Example"), element("pre", "", command.example));
      about.push(example);
    }
    this.body.replaceChildren(...about, ...nodes);
    for (const field of this.all()) {
      const known = before.get(field.parameter.name);
      if (known && !field.parameter.fixed) field.state = known;
    }
  }

  all() {
    return this.more ? [...this.fields, this.more] : this.fields;
  }

  snapshot() {
    const states = new Map(this.all().map((field) => [field.parameter.name, field.state]));
    if (this.picker) states.set("", this.picker.value);
    return states;
  }

  restore(states) {
    if (this.picker && states.has("") && Number(states.get("")) < this.details.commands.length) {
      this.picker.value = states.get("");
      this.choose();
    }
    for (const field of this.all()) {
      const known = states.get(field.parameter.name);
      if (known) field.state = known;
    }
  }

  /** The arguments, or null where a field is wrong; the first such field is focused. */
  read() {
    const values = this.word ? { command: this.word } : {};
    let wrong = null;
    for (const field of this.all()) {
      try {
        const [given, value] = field.read();
        if (!given) continue;
        if (field === this.more) Object.assign(values, value);
        else values[field.parameter.name] = value;
      } catch {
        wrong ??= field;
      }
    }
    wrong?.control.focus();
    return wrong ? null : values;
  }
}

/** What the views of one widget share; it lives as long as the widget. */
function shared() {
  const state = {
    rows: new Map(), details: new Map(), runs: new Map(), listeners: new Set(), loaded: false,
    acting: new Set(), typed: new Map(),
  };

  function take(message) {
    if (message.kind === "rows") {
      if (message.whole) state.rows.clear();
      for (const key of message.gone) state.rows.delete(key);
      for (const row of message.rows) state.rows.set(row.key, row);
      state.loaded = true;
    } else if (message.kind === "details") {
      state.details.set(message.key, message);
    } else if (message.kind === "run") {
      const known = state.runs.get(message.run);
      state.runs.set(message.run, { key: null, ...known, ...message, at: performance.now() });
    } else if (message.kind === "answer" && message.to !== "details") {
      state.acting.delete(`${message.to} ${message.key}`);
    }
  }

  return {
    initialize({ model }) {
      const receive = (message) => {
        take(message);
        for (const listener of state.listeners) listener(message);
      };
      model.on("msg:custom", receive);
      model.send({ kind: "ready" });
      return () => model.off("msg:custom", receive);
    },
    render: ({ model, el }) => render(state, model, el),
  };
}

function render(state, model, el) {
  const root = element("div");
  root.className = "vcplab-plugins";
  const head = element("div", "head");
  const search = element("input");
  search.type = "search";
  search.placeholder = "Search plugins";
  search.setAttribute("aria-label", "Search plugins");
  const filter = element("select");
  filter.setAttribute("aria-label", "State");
  const count = element("span", "count");
  count.setAttribute("role", "status");
  head.append(search, filter, count);
  const alarm = element("div", "alarm");
  alarm.setAttribute("role", "alert");
  alarm.hidden = true;

  const wrap = element("div", "list");
  const table = element("table", "table");
  table.setAttribute("aria-label", "Plugins");
  const titles = table.appendChild(element("thead")).appendChild(element("tr"));
  const body = table.appendChild(element("tbody"));
  wrap.append(table);
  const more = element("section", "more");
  more.setAttribute("aria-label", "Details");
  more.hidden = true;
  root.append(head, alarm, wrap, more);
  el.append(root);

  const lines = new Map(); // key -> the row's nodes
  let sort = ["name", 1];
  let selected = null;
  let view = null; // the nodes of the details that are open
  let clock = null;

  // The table

  const headings = COLUMNS.map(([name, text]) => {
    const cell = titles.appendChild(element("th", `col-${name}`));
    cell.scope = "col";
    cell.append(button("sort", text, () => {
      sort = [name, sort[0] === name ? -sort[1] : 1];
      draw();
    }));
    return cell;
  });

  function line(row) {
    let known = lines.get(row.key);
    if (!known) {
      const tr = element("tr", "row");
      const cells = Object.fromEntries(COLUMNS.map(([name]) => [name, element("td", `col-${name}`)]));
      tr.append(...Object.values(cells));
      const opener = button("open", "", () => choose(row.key));
      const problem = element("div", "problem");
      cells.name.append(opener, problem);
      tr.addEventListener("click", (event) => {
        if (!event.target.closest("button")) choose(row.key);
      });
      known = { tr, cells, opener, problem, row: null };
      lines.set(row.key, known);
    }
    if (known.row !== row) {
      known.row = row;
      const { cells, opener, problem } = known;
      const title = row.display_name && row.display_name !== row.name ? row.display_name : "";
      opener.replaceChildren(element("span", "name", row.name), element("span", "title", title));
      problem.textContent = row.problem;
      problem.hidden = !row.problem;
      cells.type.textContent = row.type;
      cells.dialect.textContent = row.dialect;
      cells.host.textContent = row.host;
      cells.state.replaceChildren(badge(row.state));
      cells.calls.replaceChildren(String(row.calls));
      if (row.errors) cells.calls.append(element("div", "failures", `${row.errors} failed`));
      cells.calls.title = `${row.calls} calls, ${row.errors} failed`;
      cells.p95.textContent = duration(row.p95);
      known.tr.dataset.state = row.state;
      known.tr.dataset.name = row.name;
    }
    known.tr.classList.toggle("vcplab-plugins-chosen", selected === row.key);
    known.opener.setAttribute("aria-expanded", String(selected === row.key));
    return known.tr;
  }

  function draw() {
    const query = search.value.trim().toLowerCase();
    const rows = [...state.rows.values()];
    const states = [...new Set(rows.map((row) => row.state))].sort();
    const wanted = states.includes(filter.value) ? filter.value : "";
    const options = ["", ...states].map((name) => {
      const option = element("option", "", name || "all states");
      option.value = name;
      return option;
    });
    if ([...filter.options].map((option) => option.value).join() !== options.map((o) => o.value).join()) {
      filter.replaceChildren(...options);
      filter.value = wanted;
    }
    const texts = ["name", "display_name", "description", "type", "dialect", "host", "state", "problem"];
    const seen = rows.filter((row) => (!filter.value || row.state === filter.value)
      && (!query || texts.some((name) => row[name].toLowerCase().includes(query))));
    const [by, way] = sort;
    seen.sort((a, b) => {
      const numbers = by === "calls" || by === "p95";
      const order = numbers ? (a[by] ?? -1) - (b[by] ?? -1) : a[by].localeCompare(b[by]);
      return way * order || a.name.localeCompare(b.name);
    });
    COLUMNS.forEach(([name], at) => {
      headings[at].setAttribute("aria-sort", name !== by ? "none" : way > 0 ? "ascending" : "descending");
    });
    for (const key of lines.keys()) if (!state.rows.has(key)) lines.delete(key);
    const nodes = seen.map(line);
    if (!nodes.length) {
      const empty = element("td", "empty");
      empty.colSpan = COLUMNS.length;
      if (!state.loaded) empty.textContent = "Waiting for the kernel…";
      else empty.textContent = rows.length ? "Nothing matches." : "No plugins yet: lab.plugins.add(path)";
      nodes.push(element("tr"));
      nodes[0].append(empty);
    }
    if (nodes.length !== body.children.length || nodes.some((node, at) => node !== body.children[at])) {
      const focused = document.activeElement;
      const mine = body.contains(focused);
      body.replaceChildren(...nodes);
      if (mine && body.contains(focused)) focused.focus({ preventScroll: true });
    }
    const ready = rows.filter((row) => row.state === "ready").length;
    const part = nodes.length && seen.length !== rows.length ? `, ${seen.length} shown` : "";
    const text = `${rows.length} plugin${rows.length === 1 ? "" : "s"}, ${ready} ready${part}`;
    if (count.textContent !== text) count.textContent = text;
  }

  // The details

  function choose(key) {
    if (view?.form) state.typed.set(view.key, view.form.snapshot());
    selected = selected === key ? null : key;
    view = null;
    more.hidden = selected === null;
    more.replaceChildren();
    draw();
    if (selected === null) return;
    model.send({ kind: "details", key });
    open();
  }

  function act(kind) {
    state.acting.add(`${kind} ${selected}`);
    view.answer.hidden = true;
    model.send({ kind, key: selected });
    refresh();
  }

  function open() {
    const title = element("h3", "heading");
    const facts = element("div", "facts");
    const problem = element("div", "trouble");
    const trust = element("div", "trust");
    const meaning = element("p");
    const trustButton = button("main", "Trust this plugin", () => act("trust"));
    trust.append(meaning, trustButton);
    const answer = element("div", "alarm");
    answer.setAttribute("role", "alert");
    answer.hidden = true;
    const enable = button("switch", "", () => {
      act(enable.getAttribute("aria-checked") === "true" ? "disable" : "enable");
    });
    enable.setAttribute("role", "switch");
    enable.append(element("i", "knob"), element("span", "", "Enabled"));
    const reload = button("", "Reload", () => act("reload"));
    reload.title = "Read its files again";
    const close = button("close", "×", () => {
      const { opener } = lines.get(selected) ?? {};
      choose(selected);
      opener?.focus();
    });
    close.setAttribute("aria-label", "Close details");
    const tools = element("div", "tools");
    tools.append(enable, reload, close);
    const top = element("div", "top");
    top.append(title, tools);
    const description = element("p", "said");

    const tabs = element("div", "tabs");
    tabs.setAttribute("role", "tablist");
    const pages = ["Run", "Log", "README"].map((name) => {
      const id = `vcplab-plugins-${(unique += 1)}`;
      const tab = button("tab", name, () => turn(name));
      tab.id = `${id}-tab`;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", id);
      const page = element("div", "page");
      page.id = id;
      page.setAttribute("role", "tabpanel");
      page.setAttribute("aria-labelledby", tab.id);
      tabs.append(tab);
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
      if (name === "Log" && view) view.log.scrollTop = view.log.scrollHeight;
    };
    tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const at = pages.findIndex(({ tab }) => tab === event.target);
      turn(pages[(at + step + pages.length) % pages.length].name, true);
    });

    const [run, log, readme] = pages.map(({ page }) => page);
    const place = element("div");
    const runs = element("div", "runs");
    const said = element("div", "hidden");
    said.setAttribute("role", "status");
    run.append(place, runs, said);
    const logText = element("pre", "log");
    logText.tabIndex = 0;
    logText.setAttribute("aria-label", "Log");
    const fresh = button("", "Refresh", () => model.send({ kind: "details", key: selected }));
    log.append(logText, fresh);
    more.append(top, facts, problem, trust, answer, description, tabs, run, log, readme);
    view = { key: selected, title, facts, problem, trust, meaning, trustButton, answer, enable, reload,
      description, place, runs, said, log: logText, readme, turn, form: null, shown: null,
      formOf: "", readmeOf: null, entries: new Map() };
    turn(state.rows.get(selected)?.callable === false ? "README" : "Run");
    refresh();
    fill();
    for (const each of state.runs.values()) entry(each);
  }

  /** What of the details follows from the row. */
  function refresh() {
    const row = state.rows.get(selected);
    if (!view) return;
    if (!row) {
      view.facts.textContent = "This plugin is no longer there.";
      if (view.form) view.form.submit.disabled = true;
      view.enable.disabled = view.reload.disabled = view.trustButton.disabled = true;
      return;
    }
    if (view.shown !== row) {
      view.shown = row;
      const title = row.display_name && row.display_name !== row.name ? row.display_name : "";
      view.title.replaceChildren(element("span", "name", row.name), element("span", "title", title),
        element("span", "version", row.version), badge(row.state));
      const facts = [row.type, row.dialect && `dialect ${row.dialect}`, row.host && `host ${row.host}`,
        row.watched && "watched", `${row.calls} call${row.calls === 1 ? "" : "s"}, ${row.errors} failed`];
      view.facts.replaceChildren(facts.filter(Boolean).join(" · "), element("code", "source", row.source));
      view.description.textContent = row.description;
      view.problem.textContent = row.problem;
      view.problem.hidden = !row.problem;
      view.problem.dataset.state = row.state;
      view.trust.hidden = !(row.state in TRUST);
      view.meaning.textContent = TRUST[row.state] ?? "";
      view.trustButton.textContent = row.state === "changed" ? "Trust these changes" : "Trust this plugin";
    }
    const doing = (kind) => state.acting.has(`${kind} ${selected}`);
    const nameless = row.state === "clash";
    view.enable.setAttribute("aria-checked", String(row.state !== "disabled"));
    view.enable.disabled = nameless || doing("enable") || doing("disable");
    view.reload.disabled = nameless || doing("reload");
    view.reload.textContent = doing("reload") ? "Reloading…" : "Reload";
    view.trustButton.disabled = doing("trust");
    if (view.form) {
      view.form.submit.disabled = row.state !== "ready";
      view.form.reason.textContent = STOPPED[row.state] ?? "";
    }
  }

  /** What of the details the kernel had to be asked for. */
  function fill() {
    const details = state.details.get(selected);
    const row = state.rows.get(selected);
    if (!details) {
      view.place.replaceChildren(element("p", "faint", "Waiting for the kernel…"));
      view.log.textContent = "";
      return;
    }
    const formOf = JSON.stringify([details.parameters, details.commands, row?.callable]);
    if (formOf !== view.formOf) {
      view.formOf = formOf;
      const typed = view.form?.snapshot() ?? state.typed.get(selected);
      if (row?.callable === false) {
        view.form = null;
        const why = row.type ? `This plugin is not called: its type is ${row.type}.` : "Nothing to run.";
        view.place.replaceChildren(element("p", "faint", why));
      } else {
        view.form = new Form(details, (values) => start(values));
        if (typed) view.form.restore(typed);
        view.place.replaceChildren(view.form.node);
      }
      refresh();
    }
    const readme = details.readme ?? "";
    if (view.readmeOf !== readme) {
      view.readmeOf = readme;
      view.readme.replaceChildren(
        readme.trim() ? markdown.render(readme) : element("p", "faint", "There is no README."));
    }
    const atEnd = view.log.scrollTop + view.log.clientHeight >= view.log.scrollHeight - 8;
    view.log.textContent = details.logs.join("\n") || "Nothing was written to its log (stderr) yet.";
    if (atEnd) view.log.scrollTop = view.log.scrollHeight;
    if (details.problems.length) complain(details.problems.join("\n"));
  }

  function complain(text) {
    view.answer.textContent = text;
    view.answer.hidden = !text;
  }

  // Runs

  function start(args) {
    // Not randomUUID: pages that are not served over https do not have it.
    const run = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    const row = state.rows.get(selected);
    const made = { run, key: selected, name: row.name, args: JSON.stringify(args), state: "asked",
      elapsed: 0, at: performance.now(), ended: false, parts: [] };
    state.runs.set(run, made);
    for (const old of state.runs.values()) {
      if (state.runs.size > KEPT_RUNS && old.ended) state.runs.delete(old.run);
    }
    for (const known of view.entries.values()) known.fold(true);
    entry(made);
    model.send({ kind: "run", key: selected, run, args });
  }

  function entry(run) {
    if (!view || state.rows.get(view.key)?.name !== run.name) return;
    let known = view.entries.get(run.run);
    if (!known) {
      const node = element("article", "run");
      const fold = button("fold", "▾", () => known.fold(!known.content.hidden));
      const mark = element("span");
      const time = element("span", "time");
      const args = element("code", "args");
      const cancel = button("", "Cancel", () => {
        cancel.disabled = true;
        model.send({ kind: "cancel", run: run.run, key: view.key });
      });
      const bar = element("header");
      bar.append(fold, mark, time, args, cancel);
      const content = element("div", "result");
      node.append(bar, content);
      known = { node, mark, time, args, cancel, content, parts: null, fold: (away) => {
        content.hidden = away;
        fold.textContent = away ? "▸" : "▾";
        fold.setAttribute("aria-expanded", String(!away));
        fold.setAttribute("aria-label", away ? "Show the result" : "Hide the result");
      } };
      known.fold(view.entries.size > 0 && run.ended);
      view.entries.set(run.run, known);
      view.runs.prepend(node);
    }
    known.run = run;
    known.node.dataset.state = run.state;
    known.mark.replaceChildren(badge(run.state));
    known.args.textContent = run.args;
    known.args.title = run.args;
    known.cancel.hidden = run.ended;
    const parts = JSON.stringify(run.parts);
    if (parts !== known.parts) {
      known.parts = parts;
      known.content.replaceChildren(...run.parts.map((part, at) => shown(part, run.name, at)));
    }
    if (run.ended && !run.parts.length) {
      known.content.replaceChildren(element("p", "faint", "It gave nothing back."));
    }
    tick();
    if (run.ended) view.said.textContent = `${run.name}: ${WORDS[run.state] ?? run.state}`;
  }

  function shown(part, name, at) {
    if (part.kind === "image" && IMAGE.test(part.text)) {
      // Only ever in an img element, where no script of an SVG runs.
      const image = element("img", "image");
      image.alt = `Picture ${at + 1} from ${name}`;
      image.addEventListener("error", () => {
        image.replaceWith(element("p", "faint", "A picture that cannot be read."));
      });
      image.src = part.text;
      return image;
    }
    if (part.kind === "note") return element("p", "faint", part.text);
    const made = element("pre", part.kind === "error" ? "failure" : part.kind, part.text);
    if (part.kind === "error") made.setAttribute("role", "alert");
    return made;
  }

  function tick() {
    let live = false;
    for (const { run, time } of view?.entries.values() ?? []) {
      const since = run.ended ? 0 : performance.now() - run.at;
      time.textContent = duration(run.elapsed + since);
      live ||= !run.ended;
    }
    if (live && clock === null) clock = setInterval(tick, 200);
    if (!live && clock !== null) {
      clearInterval(clock);
      clock = null;
    }
  }

  search.addEventListener("input", draw);
  filter.addEventListener("change", draw);
  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const openers = [...body.querySelectorAll(".vcplab-plugins-open")];
    openers[openers.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  });
  // Keys typed here are not shortcuts of the notebook.
  root.addEventListener("keydown", (event) => event.stopPropagation());

  const listener = (message) => {
    if (message.kind === "rows") {
      alarm.hidden = true;
      draw();
      refresh();
    } else if (message.kind === "problem") {
      alarm.textContent = message.text;
      alarm.hidden = false;
    } else if (message.kind === "details" && view?.key === message.key) {
      fill();
    } else if (message.kind === "run") {
      entry(state.runs.get(message.run));
    } else if (message.kind === "answer" && view) {
      if (message.problem && (message.key === view.key || !message.key)) complain(message.problem);
      refresh();
    }
  };
  state.listeners.add(listener);
  draw();
  return () => {
    clearInterval(clock);
    state.listeners.delete(listener);
  };
}

// A function, so that every widget has a state of its own.
export default shared;
