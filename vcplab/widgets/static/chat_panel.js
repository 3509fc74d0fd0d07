// The chat panel and the agent selector. Whatever an agent says is set by textContent; nothing here
// is parsed as HTML. The kernel's half, and the messages, are in chat_panel.py and chat_messages.py.
const SIGNS = {
  setup: "○", new: "○", idle: "◇", deciding: "…", speaking: "▶", paused: "‖", waiting: "?",
  ended: "■", running: "…", answered: "✓",
};
const WORDS = {
  setup: "not started", new: "not started", idle: "ready", deciding: "choosing who speaks",
  waiting: "waiting for you",
};
const MODES = ["sequential", "random", "natural", "invitation", "mention", "keyword", "consensus", "selected"];
const VERDICTS = {
  "consensus:reached": "Agreed", "consensus:failed": "No agreement", "conflict:detected": "They disagree",
};
const SILENT = {
  failed: "could not answer", interrupted: "was interrupted", denied: "was not allowed to speak",
  empty: "said nothing",
};
const BUSY = new Set(["deciding", "speaking", "waiting"]);
const WINDOW = 200;
const SLACK = 100; // rows above the window before the oldest are taken off the page
const PATIENCE = 400; // ms until a click that the kernel has not taken is said to wait
const IMAGE = /^data:image\/(png|jpeg|gif|webp)[;,]/i;
const EVERYONE = "所有人";
let unique = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name.split(" ").map((word) => `vcplab-chat-${word}`).join(" ");
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(name, text, title, act) {
  const made = element("button", name, text);
  made.type = "button";
  if (title) made.title = title;
  made.addEventListener("click", act);
  return made;
}

function labelled(made, label) {
  made.setAttribute("aria-label", label);
  return made;
}

function badge(state) {
  const made = element("span", "badge");
  made.dataset.state = state;
  const sign = element("span", "sign", SIGNS[state] ?? "·");
  sign.setAttribute("aria-hidden", "true");
  made.append(sign, WORDS[state] ?? state);
  return made;
}

function seconds(value) {
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** A hue for a name, the same in every page. */
function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

function avatar(who) {
  const made = element("span", "avatar");
  made.setAttribute("aria-hidden", "true");
  made.style.setProperty("--hue", hue(who.agent ?? who.id ?? who.name));
  if (IMAGE.test(who.avatar)) {
    const image = element("img");
    image.alt = "";
    image.src = who.avatar;
    made.append(image);
  } else {
    const text = who.avatar || who.name || "?";
    const [first] = typeof Intl.Segmenter === "function"
      ? [...new Intl.Segmenter().segment(text)].map((part) => part.segment) : [...text];
    made.textContent = who.avatar ? first : first.toUpperCase();
    if (who.avatar) made.classList.add("vcplab-chat-emoji");
  }
  return made;
}

/** Text as it stands, and what is between code fences as code. */
function prose(text) {
  const made = element("div", "text");
  let lines = [];
  let fence = null;
  const flush = () => {
    const part = lines.join("\n");
    lines = [];
    if (fence) {
      const pre = element("pre");
      pre.tabIndex = 0;
      labelled(pre, fence.language ? `Code, ${fence.language}` : "Code");
      pre.append(element("code", "", part));
      made.append(pre);
    } else if (part.trim()) {
      made.append(element("div", "words", part.replace(/^\n+|\s+$/g, "")));
    }
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/.exec(line);
    if (mark && !fence) {
      flush();
      fence = { mark: mark[1], language: mark[2] };
    } else if (fence && line.trim().startsWith(fence.mark) && !line.trim().slice(fence.mark.length).trim()) {
      flush();
      fence = null;
    } else {
      lines.push(line);
    }
  }
  flush();
  return made;
}

function folded(name, title, ...inside) {
  const made = element("details", name);
  made.append(element("summary", "", title), ...inside);
  return made;
}

function steps(tools) {
  const made = element("div", "tools");
  for (const tool of tools) {
    const summary = element("summary");
    if (tool.state === "said") {
      summary.append(element("span", "faint", "Before that: "), element("span", "args", tool.result));
    } else {
      summary.append(badge(tool.state), element("code", "", tool.name),
        element("code", "args", tool.arguments));
    }
    const details = element("details", "tool");
    details.dataset.state = tool.state;
    details.append(summary);
    if (tool.state !== "said") details.append(element("pre", "asked", tool.arguments));
    details.append(element("pre", "", tool.result || "Nothing yet."));
    made.append(details);
  }
  return made;
}

/** What all views of one widget share. */
function shared() {
  const state = { tabs: [], chats: new Map(), views: new Set() };

  function take(message) {
    if (message.kind === "tabs") {
      state.tabs = message.tabs;
      return;
    }
    if (message.kind !== "update") return;
    let chat = state.chats.get(message.chat);
    if (!chat || message.whole) {
      chat = { key: message.chat, state: chat?.state ?? null, items: new Map(), total: 0,
        drafts: new Map(), approvals: [], agents: chat?.agents ?? [], chosen: chat?.chosen ?? null, since: chat?.since ?? 0 };
      state.chats.set(message.chat, chat);
    }
    chat.total = message.total;
    if (message.state) {
      if (message.state.status !== chat.state?.status) chat.since = performance.now();
      chat.state = message.state;
    }
    if (message.agents) chat.agents = message.agents;
    for (const id of message.gone ?? []) chat.items.delete(id);
    const lowest = [...chat.items.values()].reduce((least, item) => Math.min(least, item.n), Infinity);
    let sorted = true;
    for (const item of message.items ?? []) {
      // A change of a row that this browser has not asked for yet.
      if (!message.earlier && item.n < lowest && !chat.items.has(item.id) && lowest < Infinity) continue;
      if (!chat.items.has(item.id)) sorted = false;
      chat.items.set(item.id, item);
    }
    if (!sorted) {
      chat.items = new Map([...chat.items].sort(([, one], [, other]) => one.n - other.n));
    }
    for (const id of message.ended ?? []) chat.drafts.delete(id);
    for (const draft of message.drafts ?? []) chat.drafts.set(draft.id, { ...draft, at: performance.now() });
    for (const [id, text] of Object.entries(message.pieces ?? {})) {
      if (chat.drafts.has(id)) chat.drafts.get(id).text += text;
    }
    for (const [id, tools] of Object.entries(message.tools ?? {})) {
      if (chat.drafts.has(id)) chat.drafts.get(id).tools = tools;
    }
    if (message.approvals) chat.approvals = message.approvals;
  }

  return {
    initialize({ model }) {
      if (model.get("part") === "selector") return undefined;
      const receive = (message) => {
        take(message);
        for (const view of state.views) view(message);
      };
      model.on("msg:custom", receive);
      model.send({ kind: "ready" });
      return () => model.off("msg:custom", receive);
    },
    render({ model, el }) {
      return model.get("part") === "selector" ? selector(model, el) : new Panel(state, model, el).start();
    },
  };
}

// The parts of the panel

/** Completion of names after an @: a list above a text area. */
class Names {
  constructor(area, candidates) {
    this.area = area;
    this.candidates = candidates;
    this.found = [];
    this.at = 0;
    this.list = labelled(element("ul", "names"), "Agents");
    this.list.id = `vcplab-chat-${(unique += 1)}`;
    this.list.setAttribute("role", "listbox");
    this.list.hidden = true;
    area.setAttribute("role", "combobox");
    area.setAttribute("aria-autocomplete", "list");
    area.setAttribute("aria-haspopup", "listbox");
    area.setAttribute("aria-controls", this.list.id);
    area.setAttribute("aria-expanded", "false");
    area.addEventListener("input", () => this.look());
    area.addEventListener("click", () => this.look());
    area.addEventListener("keyup", (event) => {
      if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.look();
    });
    area.addEventListener("blur", () => this.hide());
  }

  get open() {
    return !this.list.hidden;
  }

  look() {
    const before = this.area.value.slice(0, this.area.selectionStart);
    // Not after a letter or a digit of an address: a@b.org calls nobody.
    const typed = /(?<![A-Za-z0-9._%+-])@([^\s@]{0,40})$/u.exec(before);
    if (!typed || this.area.selectionStart !== this.area.selectionEnd) {
      this.hide();
      return;
    }
    this.typed = typed[1];
    const wanted = this.typed.toLowerCase();
    this.found = this.candidates()
      .filter(({ words }) => words.some((word) => word.toLowerCase().includes(wanted)))
      .sort((one, other) => starts(other, wanted) - starts(one, wanted)).slice(0, 8);
    this.at = 0;
    if (this.found.length) this.draw();
    else this.hide();
  }

  draw() {
    this.list.replaceChildren(...this.found.map((one, at) => {
      const made = element("li", "");
      made.id = `${this.list.id}-${at}`;
      made.setAttribute("role", "option");
      made.setAttribute("aria-selected", String(at === this.at));
      made.append(avatar(one), element("span", "", one.name), element("span", "faint", one.about));
      made.addEventListener("mousedown", (event) => {
        event.preventDefault(); // the text area keeps the focus
        this.at = at;
        this.choose();
      });
      return made;
    }));
    this.list.hidden = false;
    this.area.setAttribute("aria-expanded", "true");
    this.area.setAttribute("aria-activedescendant", `${this.list.id}-${this.at}`);
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.list.hidden = true;
    this.area.setAttribute("aria-expanded", "false");
    this.area.removeAttribute("aria-activedescendant");
  }

  choose() {
    const { area } = this;
    const end = area.selectionStart;
    area.setRangeText(`${this.found[this.at].word} `, end - this.typed.length, end, "end");
    this.hide();
  }

  /** Whether the key was for the list. */
  key(event) {
    if (!this.open) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.draw();
    } else if (event.key === "Enter" || event.key === "Tab") {
      this.choose();
    } else if (event.key === "Escape") {
      this.hide();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }
}

function starts({ words }, wanted) {
  return Number(words.some((word) => word.toLowerCase().startsWith(wanted)));
}

/** One row of the transcript. */
function rowNode(panel, item) {
  const made = element("li", `row ${item.kind}`);
  made.dataset.id = item.id;
  if (item.agent) made.dataset.agent = item.agent;
  const build = { message: messageInside, silent: silentInside, round: roundInside,
    positions: positionsInside, end: endInside, note: noteInside }[item.kind] ?? noteInside;
  build(panel, item, made);
  return made;
}

function messageInside(panel, item, made) {
  if (item.user) made.classList.add("vcplab-chat-mine");
  if (item.to) made.classList.add("vcplab-chat-private");
  const body = element("div", "body");
  const head = element("header");
  head.append(element("span", "name", item.name));
  head.append(panel.role(item));
  const tag = (name, text, title) => {
    const one = element("span", `tag ${name}`, text);
    if (title) one.title = title;
    head.append(one);
  };
  if (item.type !== "chat") tag("type", item.type);
  if (item.to) tag("hush", `privately to ${item.to.join(", ") || "nobody else"}`);
  if (!item.public) tag("type", "working note");
  if (item.interrupted) tag("warn", "interrupted", "Somebody stopped it; this is what was said until then");
  if (item.cut) tag("warn", "cut off", "The model met its limit of length, or broke off");
  const meta = element("span", "meta");
  if (item.output) {
    const figure = element("span", "", `${item.estimated ? "≈ " : ""}${item.output.toLocaleString()} tokens`);
    figure.title = `${item.input.toLocaleString()} read, ${item.output.toLocaleString()} written`
      + (item.estimated ? "; estimated, the server did not report them" : "");
    meta.append(figure);
  }
  if (item.time) {
    const when = new Date(item.time);
    const time = element("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = when.toISOString();
    time.title = when.toLocaleString();
    meta.append(time);
  }
  head.append(meta, panel.actions(item));
  body.append(head);
  if (item.reasoning) body.append(folded("reasoning", "Reasoning", element("pre", "", item.reasoning)));
  if (item.tools.length) body.append(steps(item.tools));
  body.append(prose(item.text));
  for (const [at, url] of item.images.entries()) {
    if (!IMAGE.test(url)) continue;
    const image = element("img", "image");
    image.alt = `Picture ${at + 1} from ${item.name}`;
    image.src = url;
    body.append(image);
  }
  if (item.reason) {
    const round = item.round ? `Round ${item.round}, turn ${item.turn}: ` : "";
    body.append(folded("why", "Why it spoke", element("p", "", `${round}${item.reason}`)));
  }
  made.append(panel.face(item), body);
}

function silentInside(panel, item, made) {
  made.dataset.why = item.why;
  const body = element("div", "body");
  const line = element("p", "", "");
  line.append(element("span", "name", item.name), ` ${SILENT[item.why] ?? item.why}.`);
  body.append(line);
  if (item.tools.length) body.append(steps(item.tools));
  if (item.error) body.append(element("pre", "failure", item.error));
  if (item.partial) body.append(folded("why", "What it had said until then", prose(item.partial)));
  made.append(panel.face(item), body);
}

function roundInside(panel, item, made) {
  const names = item.speakers.map(({ name }) => name).join(" → ");
  const summary = element("summary");
  summary.append(element("strong", "", `Round ${item.round}`), ` ${names || "nobody wants to speak"}`);
  if (!item.speakers.length) {
    made.append(element("p", "", summary.textContent));
    return;
  }
  const details = element("details");
  const list = element("ol", "reasons");
  for (const { name, reason, action, priority } of item.speakers) {
    const one = element("li");
    one.append(element("span", "name", name), reason ? ` ${reason}` : "");
    const facts = [action && action !== "respond" ? action : "", priority && `priority ${priority}`];
    const told = facts.filter(Boolean).join(", ");
    if (told) one.append(element("span", "faint", ` (${told})`));
    list.append(one);
  }
  details.append(summary, list);
  made.append(details);
}

function positionsInside(panel, item, made) {
  made.dataset.verdict = item.verdict;
  const title = element("p", "");
  title.append(element("strong", "", VERDICTS[item.verdict] ?? "Positions"),
    item.facts ? ` ${item.facts}` : "");
  made.append(title);
  if (!item.rows.length) return;
  const table = labelled(element("table"), "Positions");
  const top = table.appendChild(element("thead")).appendChild(element("tr"));
  for (const text of ["Agent", "Position", "Confidence", "Reason"]) {
    const cell = element("th", "", text);
    cell.scope = "col";
    top.append(cell);
  }
  const rows = table.appendChild(element("tbody"));
  for (const { name, stance, confidence, reason } of item.rows) {
    const line = rows.appendChild(element("tr"));
    for (const text of [name, stance, confidence, reason]) line.append(element("td", "", text));
  }
  made.append(table);
}

function noteInside(panel, item, made) {
  const line = element("p");
  if (item.name) line.append(element("span", "name", item.name), " ");
  line.append(item.text ?? "");
  made.append(line);
}

function endInside(panel, item, made) {
  const line = element("p");
  line.append(element("strong", "", "The chat has ended."), item.text ? ` ${item.text}` : "");
  made.append(line);
  if (item.summary) made.append(prose(item.summary));
}

/** One view of the panel. */
class Panel {
  constructor(shared, model, el) {
    this.shared = shared;
    this.model = model;
    this.current = null;
    this.nodes = new Map(); // id -> { item, node }
    this.drafts = new Map(); // id -> the draft's nodes
    this.pending = new Map(); // id of a request -> what was asked
    this.from = 0; // number of the first row on the page
    this.following = true;
    this.frame = null;
    this.dirty = { whole: true, state: true, approvals: true };
    this.build(el);
  }

  build(el) {
    const root = this.root = element("section");
    root.className = "vcplab-chat";
    root.setAttribute("aria-label", "Group chat");
    root.dataset.lmSuppressShortcuts = "true"; // keys typed here are not the notebook's
    this.resize = () => root.style.setProperty("--height", `${this.model.get("height")}px`);
    this.model.on("change:height", this.resize);
    this.resize();

    this.title = element("h3", "title");
    this.status = element("span", "status");
    this.mode = labelled(element("select"), "Speaking mode");
    this.mode.title = "Who speaks when";
    this.mode.addEventListener("change", () => {
      if (this.chat?.state.status !== "setup") this.ask("mode", { mode: this.mode.value });
    });
    this.meters = labelled(element("span", "meters"), "What it took");
    this.people = button("", "Agents", "Who takes part", () => {
      this.aside.hidden = !this.aside.hidden;
      this.drawAside();
    });
    this.people.setAttribute("aria-controls", `vcplab-chat-${(unique += 1)}`);
    this.closing = button("close", "×", "Close the panel", () => this.ask("close"));
    labelled(this.closing, "Close");
    const head = element("header", "head");
    const left = element("div", "left");
    left.append(this.title, this.status);
    const right = element("div", "right");
    right.append(this.mode, this.people, this.closing);
    head.append(left, right, this.meters);

    this.tabs = labelled(element("div", "tabs"), "Chats");
    this.tabs.setAttribute("role", "tablist");
    this.tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const all = this.shared.tabs;
      const at = all.findIndex(({ key }) => key === this.current);
      this.turnTo(all[(at + step + all.length) % all.length].key);
      this.tabs.querySelector("[aria-selected=true]")?.focus();
    });

    this.earlier = button("earlier", "", "", () => this.showEarlier());
    this.list = element("ol", "list");
    const log = this.log = labelled(element("div", "log"), "Transcript");
    log.setAttribute("role", "log");
    log.setAttribute("aria-live", "polite");
    log.setAttribute("aria-relevant", "additions");
    log.append(this.list);
    // What is still being said stands outside the log: only what is finished is announced.
    this.speaking = labelled(element("ol", "list drafts"), "Speaking now");
    this.speaking.setAttribute("aria-live", "off");
    this.empty = element("p", "empty", "Waiting for the kernel…");
    this.scroller = element("div", "scroller");
    this.scroller.tabIndex = 0;
    labelled(this.scroller, "Transcript, scrollable");
    this.scroller.append(this.earlier, this.empty, log, this.speaking);
    this.scroller.addEventListener("scroll", () => {
      this.following = this.atEnd();
      if (this.following) this.below.hidden = true;
    });
    this.below = button("below", "↓ New messages", "Go to the end", () => {
      this.following = true;
      this.follow();
    });
    this.below.hidden = true;
    const talk = element("div", "talk");
    talk.append(this.scroller, this.below);
    this.aside = labelled(element("aside", "people"), "Agents");
    this.aside.id = this.people.getAttribute("aria-controls");
    this.aside.hidden = true;
    const main = element("div", "main");
    main.append(talk, this.aside);

    this.approvals = labelled(element("div", "approvals"), "Questions to you");
    this.approvals.setAttribute("aria-live", "assertive");
    this.approvals.setAttribute("role", "region");
    this.alarm = element("div", "alarm");
    this.alarm.setAttribute("role", "alert");
    this.alarm.hidden = true;
    this.waiting = element("div", "waiting");
    this.waiting.setAttribute("role", "status");
    root.append(head, this.tabs, main, this.approvals, this.alarm, this.waiting, this.composer(), this.starter());
    // Where the attribute is not known, the notebook hears of no key either.
    root.addEventListener("keydown", (event) => event.stopPropagation());
    el.append(root);
  }

  composer() {
    const area = this.area = labelled(element("textarea"), "Message");
    area.rows = 2;
    area.title = "Enter sends, Shift+Enter begins a new line, @ completes names, "
      + "Ctrl+Enter lets the next agent speak, Escape interrupts";
    area.placeholder = "Say something; @ calls an agent";
    this.names = new Names(area, () => this.candidates());
    area.addEventListener("keydown", (event) => {
      // While a word is being composed, e.g. from pinyin, Enter belongs to the input method.
      if (event.isComposing || event.keyCode === 229 || this.names.key(event)) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        if (!this.step.disabled) this.step.click();
      } else if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        this.send();
      } else if (event.key === "Escape" && !this.stop.disabled) {
        event.preventDefault();
        this.stop.click();
      }
    });
    const field = element("div", "field");
    field.append(this.names.list, area);
    this.to = labelled(element("select"), "Privately to");
    this.to.title = "Who is to see it";
    this.sending = element("button", "primary", "Send");
    this.sending.type = "submit";
    this.sending.title = "Send (Enter)";
    this.step = button("", "Step", "Let the next agent speak (Ctrl+Enter)", () => this.ask("step"));
    this.run = button("", "Run", "", () => this.ask(this.run.dataset.what));
    this.stop = button("stop", "■ Interrupt", "Stop who is speaking; what was said stays (Escape)",
      () => this.ask("interrupt"));
    this.over = button("", "End", "End the chat", () => this.ask("end"));
    const row = element("div", "controls");
    const spacer = element("span", "spacer");
    row.append(this.to, this.sending, spacer, this.step, this.run, this.stop, this.over);
    const form = this.form = element("form", "composer");
    form.append(field, row);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    return form;
  }

  starter() {
    const form = this.starting = element("form", "starter");
    this.topic = labelled(element("input"), "Topic");
    this.topic.placeholder = "Topic";
    this.topic.title = "What the chat is about; Enter starts";
    this.start_ = element("button", "primary", "Start");
    this.start_.type = "submit";
    form.append(this.topic, this.start_);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const setup = this.chat?.state.status === "setup";
      this.ask("start", { topic: this.topic.value,
        ...(setup && { agents: [...this.chosen()], mode: this.mode.value }) });
    });
    form.addEventListener("keydown", (event) => {
      if (event.isComposing && event.key === "Enter") event.preventDefault();
    });
    return form;
  }

  start() {
    const listen = (message) => this.hear(message);
    this.shared.views.add(listen);
    this.clock = setInterval(() => this.tick(), 1000);
    this.hear({ kind: "tabs" });
    // Whoever reads the end still does when the panel changes its size.
    const resized = new ResizeObserver(() => this.following && this.follow());
    resized.observe(this.scroller);
    return () => {
      resized.disconnect();
      this.model.off("change:height", this.resize);
      clearInterval(this.clock);
      cancelAnimationFrame(this.frame);
      for (const { timer } of this.pending.values()) clearTimeout(timer);
      this.shared.views.delete(listen);
    };
  }

  get chat() {
    return this.shared.chats.get(this.current);
  }

  agent(id) {
    return this.chat.agents.find((agent) => agent.id === id);
  }

  face(item) {
    return avatar({ ...item, avatar: this.agent(item.agent)?.avatar });
  }

  role(item) {
    const role = this.agent(item.agent)?.role;
    return element("span", "role", role === "participant" ? "" : role);
  }

  // Asking the kernel

  ask(what, more = {}) {
    const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    const request = { what, ...more, got: false };
    request.timer = setTimeout(() => {
      request.late = true;
      this.drawWaiting();
    }, PATIENCE);
    this.pending.set(id, request);
    this.complain("");
    this.model.send({ kind: "do", id, chat: this.current, what, ...more });
    this.drawButtons();
  }

  send() {
    const text = this.area.value;
    if (!text.trim() || this.sending.disabled) return;
    this.ask("say", { text, to: this.to.value });
    this.area.value = "";
    this.names.hide();
    this.following = true;
  }

  answered(message) {
    const request = this.pending.get(message.id);
    if (!request) return;
    clearTimeout(request.timer);
    request.late = false;
    request.got = true;
    if (message.kind === "answer") {
      this.pending.delete(message.id);
      if (message.problem) this.complain(message.problem);
      if (message.refused && request.what === "say" && !this.area.value) this.area.value = request.text;
      if (message.show) this.wanted = message.show;
      if (request.what === "start" && !message.problem) this.topic.value = "";
      this.dirty.state = true;
      this.schedule();
    }
    this.drawWaiting();
    this.drawButtons();
  }

  complain(text) {
    this.alarm.hidden = !text;
    const away = labelled(button("close", "×", "Dismiss", () => this.complain("")), "Dismiss");
    this.alarm.replaceChildren(...(text ? [element("span", "", text), away] : []));
  }

  drawWaiting() {
    const late = [...this.pending.values()].some((request) => request.late);
    this.waiting.textContent = late ? "Waiting for the kernel: a cell is running." : "";
  }

  // Hearing from the kernel

  hear(message) {
    if (message.kind === "got" || message.kind === "answer") {
      this.answered(message);
      return;
    }
    if (message.kind === "problem") {
      this.complain(message.text);
      return;
    }
    const { tabs } = this.shared;
    if (this.current === null && tabs.length) this.current = tabs[0].key;
    if (message.kind === "update" && message.chat === this.current) {
      this.dirty.whole ||= message.whole;
      this.dirty.state ||= Boolean(message.state || message.agents);
      this.dirty.approvals ||= Boolean(message.approvals);
      if (message.earlier) this.goEarlier = true;
    } else if (message.kind === "tabs") {
      this.dirty.state = true;
    }
    this.schedule();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  turnTo(key) {
    if (key === this.current) return;
    this.current = key;
    this.following = true;
    this.complain("");
    this.dirty = { whole: true, state: true, approvals: true };
    this.draw();
  }

  // Drawing

  draw() {
    if (this.wanted && this.shared.chats.get(this.wanted)?.state) {
      const key = this.wanted;
      this.wanted = null;
      if (key !== this.current) {
        this.turnTo(key);
        return;
      }
    }
    this.drawTabs();
    const { chat, dirty } = this;
    if (!chat?.state) return;
    this.dirty = { whole: false, state: false, approvals: false };
    if (dirty.whole) this.clear(chat);
    if (dirty.whole || dirty.state) this.drawState();
    if (dirty.whole || dirty.approvals) this.drawApprovals();
    const before = this.scroller.scrollHeight;
    this.drawRows(chat, dirty.whole);
    this.drawDrafts(chat);
    if (this.goEarlier) {
      this.goEarlier = false;
      this.lower(chat);
    } else if (this.following) {
      this.follow();
    } else if (this.scroller.scrollHeight > before) {
      this.below.hidden = false;
    }
  }

  clear(chat) {
    this.nodes.clear();
    this.drafts.clear();
    this.list.replaceChildren();
    this.speaking.replaceChildren();
    this.below.hidden = true;
    const shown = [...chat.items.values()].slice(-WINDOW);
    this.from = shown[0]?.n ?? 0;
  }

  drawTabs() {
    const { tabs } = this.shared;
    this.tabs.hidden = tabs.length < 2;
    const now = JSON.stringify([tabs, this.current]);
    if (now === this.tabsDrawn) return;
    this.tabsDrawn = now;
    this.tabs.replaceChildren(...tabs.map(({ key, title }) => {
      const tab = button("tab", title, "", () => this.turnTo(key));
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-selected", String(key === this.current));
      tab.tabIndex = key === this.current ? 0 : -1;
      return tab;
    }));
  }

  drawState() {
    const { chat } = this;
    const { state } = chat;
    this.root.dataset.status = state.status;
    this.title.textContent = state.name;
    this.title.title = state.topic;
    this.status.replaceChildren(badge(state.status));
    const modes = MODES.includes(state.mode) ? MODES : [...MODES, state.mode];
    if ([...this.mode.options].map(({ value }) => value).join() !== modes.join()) {
      this.mode.replaceChildren(...modes.map((name) => new Option(name, name)));
    }
    if (state.status !== "setup" || !this.modeSet) this.mode.value = state.mode;
    this.modeSet = true;
    const here = chat.agents.filter((agent) => agent.here);
    this.people.textContent = `Agents (${state.status === "setup" ? this.chosen().size : here.length})`;
    if (state.status === "setup") this.aside.hidden = false;
    else if (this.wasSetup) this.aside.hidden = true;
    this.wasSetup = state.status === "setup";
    this.closing.hidden = !this.model.get("closable");
    const chosen = this.to.value;
    this.to.replaceChildren(new Option("to everybody", ""),
      ...here.map(({ id, name }) => new Option(`privately to ${name}`, id)));
    this.to.value = here.some(({ id }) => id === chosen) ? chosen : "";
    const asleep = ["setup", "new", "ended"].includes(state.status);
    this.form.hidden = asleep;
    this.starting.hidden = !asleep;
    this.start_.textContent = state.status === "ended" ? "Start again" : "Start";
    if (state.topic && !this.topic.value && state.status === "new") this.topic.value = state.topic;
    this.drawAside();
    this.drawButtons();
    this.tick();
  }

  drawButtons() {
    if (!this.chat?.state) return;
    const { status } = this.chat.state;
    const busy = BUSY.has(status);
    const asked = (...names) => [...this.pending.values()].some(({ what }) => names.includes(what));
    const going = asked("run", "step", "redo");
    this.step.disabled = busy || asked("step", "redo");
    const what = status === "paused" ? "resume" : busy || going ? "pause" : "run";
    this.run.dataset.what = what;
    this.run.textContent = { resume: "Resume", pause: "Pause", run: "Run" }[what];
    this.run.title = { resume: "Go on", pause: "Hold after this turn", run: "Let them talk, round after round" }[what];
    this.run.disabled = asked(what) && what !== "run";
    this.stop.disabled = !busy;
    this.start_.disabled = asked("start");
    this.root.dataset.busy = String(busy);
  }

  tick() {
    const chat = this.chat;
    if (!chat?.state) return;
    const { state } = chat;
    const live = BUSY.has(state.status) && state.status !== "waiting"
      ? (performance.now() - chat.since) / 1000 : 0;
    const tokens = element("span", "", `${state.estimated ? "≈ " : ""}↑ ${state.input.toLocaleString()} `
      + `↓ ${state.output.toLocaleString()} tokens`);
    tokens.title = `${state.input.toLocaleString()} tokens read, ${state.output.toLocaleString()} written`
      + (state.estimated ? "; at least some are estimated, where the server reported none" : "");
    const time = element("span", "", seconds(state.seconds + live));
    time.title = "Time of turns and decisions";
    this.meters.hidden = state.status === "setup";
    this.meters.replaceChildren(
      element("span", "", `round ${state.round} · ${plural(state.turn, "turn")}`), tokens, time,
      ...(state.cost ? [element("span", "", state.cost)] : []));
    for (const [id, { at }] of chat.drafts) {
      const known = this.drafts.get(id);
      if (known) known.time.textContent = seconds((performance.now() - at) / 1000);
    }
  }

  drawAside() {
    const { chat } = this;
    const { state } = chat;
    this.people.setAttribute("aria-expanded", String(!this.aside.hidden));
    if (this.aside.hidden) return;
    const setup = state.status === "setup";
    const now = JSON.stringify([setup, chat.agents, [...this.chosen()]]);
    if (now === this.asideDrawn) return;
    this.asideDrawn = now;
    const focused = document.activeElement?.closest?.("li")?.dataset.agent;
    const list = element("ul", "agents");
    for (const agent of chat.agents) {
      list.append(agentLine(agent, setup ? this.chosen().has(agent.id) : agent.here, (on) => {
        if (!setup) {
          this.ask("take", { agent: agent.id, on });
          return;
        }
        this.chosen()[on ? "add" : "delete"](agent.id);
        this.drawState();
      }, setup || !agent.here ? null : () => this.ask("invite", { agent: agent.id })));
    }
    this.aside.replaceChildren(element("h4", "", setup ? "Who takes part" : "Agents"), list);
    if (focused) {
      [...list.children].find(({ dataset }) => dataset.agent === focused)?.querySelector("input")?.focus();
    }
  }

  chosen() {
    const { chat } = this;
    chat.chosen ??= new Set(chat.agents.filter((agent) => agent.here).map(({ id }) => id));
    return chat.chosen;
  }

  candidates() {
    const agents = this.chat.agents.filter((agent) => agent.here);
    const all = agents.map((agent) => ({ ...agent, agent: agent.id, word: agent.called, about: agent.role,
      words: [agent.called, agent.name, ...agent.aliases] }));
    if (agents.length > 1) {
      all.push({ id: "", name: EVERYONE, avatar: "👥", word: EVERYONE, about: "everyone",
        words: [EVERYONE, "everyone", "all"] });
    }
    return all;
  }

  drawApprovals() {
    this.approvals.replaceChildren(...this.chat.approvals.map((one) => {
      const made = element("div", "approval");
      made.dataset.id = one.id;
      const what = one.about === "tool" ? "wants to use a tool" : "wants to speak";
      const line = element("p");
      line.append(element("span", "name", one.name), ` ${what}.`);
      made.append(line);
      if (one.text) made.append(element("pre", "", one.text));
      const decide = (verb) => {
        for (const each of made.querySelectorAll("button")) each.disabled = true;
        this.ask(verb, { approval: one.id });
      };
      const row = element("div", "controls");
      row.append(button("primary", "Approve", "", () => decide("approve")),
        button("", "Deny", "", () => decide("deny")));
      made.append(row);
      return made;
    }));
  }

  drawRows(chat, quietly) {
    if (quietly) this.log.setAttribute("aria-live", "off");
    let shown = [...chat.items.values()].filter((item) => item.n >= this.from);
    if (this.following && shown.length > WINDOW + SLACK) shown = shown.slice(-WINDOW);
    this.from = Math.min(shown[0]?.n ?? 0, chat.total ? Infinity : 0);
    for (const [id, known] of this.nodes) {
      const item = chat.items.get(id);
      if (item !== known.item || item.n < this.from) {
        if (!item || item.n < this.from) {
          known.node.remove();
          this.nodes.delete(id);
        }
      }
    }
    let last = null;
    for (const item of shown) {
      let known = this.nodes.get(item.id);
      if (!known) {
        known = { item, node: rowNode(this, item) };
        this.nodes.set(item.id, known);
        if (last) last.after(known.node);
        else this.list.prepend(known.node);
      } else if (known.item !== item) {
        const node = rowNode(this, item);
        known.node.replaceWith(node);
        known.item = item;
        known.node = node;
      }
      last = known.node;
    }
    const hidden = chat.total - shown.length;
    this.earlier.hidden = hidden <= 0;
    this.earlier.textContent = `Show ${Math.min(hidden, WINDOW)} earlier (of ${hidden})`;
    this.empty.hidden = shown.length > 0 || chat.drafts.size > 0;
    this.empty.textContent = { setup: "Choose who takes part, name a topic, and start.",
      new: "Nobody has spoken yet." }[chat.state.status] ?? "Nobody has spoken yet.";
    if (quietly) setTimeout(() => this.log.setAttribute("aria-live", "polite"), 500);
  }

  drawDrafts(chat) {
    for (const [id, known] of this.drafts) {
      if (chat.drafts.get(id)?.at === known.at) continue;
      known.node.remove();
      this.drafts.delete(id);
    }
    for (const [id, draft] of chat.drafts) {
      let known = this.drafts.get(id);
      if (!known) {
        known = this.draftNode(draft);
        this.drafts.set(id, known);
        this.speaking.append(known.node);
      }
      if (draft.text.length > known.length) {
        known.text.appendData(draft.text.slice(known.length));
        known.length = draft.text.length;
        known.thinking.hidden = true;
      }
      if (draft.tools !== known.tools) {
        known.tools = draft.tools;
        known.steps.replaceChildren(...(draft.tools.length ? [steps(draft.tools)] : []));
      }
    }
  }

  draftNode(draft) {
    const node = element("li", "row message draft");
    node.dataset.agent = draft.agent;
    const body = element("div", "body");
    const head = element("header");
    head.append(element("span", "name", draft.name));
    head.append(this.role(draft));
    const time = element("span", "meta", "");
    head.append(time);
    const thinking = element("p", "thinking");
    const dots = element("span", "dots", "…");
    dots.setAttribute("aria-hidden", "true");
    thinking.append("is thinking ", dots);
    const text = document.createTextNode("");
    const words = element("div", "words");
    words.append(text);
    const place = element("div");
    body.append(head, place, thinking, words);
    if (draft.reason) body.append(element("p", "because", draft.reason));
    node.append(this.face(draft), body);
    return { node, text, thinking, time, steps: place, tools: null, length: 0, at: draft.at };
  }

  actions(item) {
    const made = element("span", "actions");
    if (!item.user) {
      made.append(labelled(button("", "Redo", "Take it back and let the agent answer anew",
        () => this.ask("redo", { message: item.id })), `Redo the message of ${item.name}`));
    }
    made.append(labelled(button("", "Fork here", "Go on from here in a chat of its own",
      () => this.ask("fork", { message: item.id })), `Fork after the message of ${item.name}`));
    return made;
  }

  // Scrolling

  atEnd() {
    return this.scroller.scrollTop + this.scroller.clientHeight >= this.scroller.scrollHeight - 24;
  }

  follow() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.below.hidden = true;
  }

  showEarlier() {
    const { chat } = this;
    this.following = false;
    if ([...chat.items.values()].some((item) => item.n < this.from)) {
      this.lower(chat);
      return;
    }
    const before = Math.min(...[...chat.items.values()].map((item) => item.n));
    this.model.send({ kind: "earlier", chat: this.current, before });
  }

  lower(chat) {
    const above = [...chat.items.values()].filter((item) => item.n < this.from).slice(-WINDOW);
    if (!above.length) return;
    const { scrollHeight, scrollTop } = this.scroller;
    this.from = above[0].n;
    this.drawRows(chat, true);
    this.scroller.scrollTop = scrollTop + this.scroller.scrollHeight - scrollHeight;
  }
}

// Choosing agents

function agentLine(agent, on, change, invite) {
  const made = element("li");
  made.dataset.agent = agent.id;
  const label = element("label");
  const box = element("input");
  box.type = "checkbox";
  box.checked = on;
  box.addEventListener("change", () => change(box.checked));
  const text = element("span", "who");
  text.append(element("span", "name", agent.name));
  const facts = [agent.role === "participant" ? "" : agent.role,
    agent.listens && agent.role !== "observer" ? "not active" : ""].filter(Boolean).join(", ");
  if (facts) text.append(element("span", "role", facts));
  if (agent.about) text.append(element("span", "about", agent.about));
  label.append(box, avatar(agent), text);
  made.append(label);
  if (invite) {
    made.append(labelled(button("", "Invite", `Let ${agent.name} speak now`, invite), `Invite ${agent.name}`));
  }
  return made;
}

/** The selector as a widget of its own: what is chosen is the model's `selected`. */
function selector(model, el) {
  const root = labelled(element("section"), "Agents");
  root.className = "vcplab-chat vcplab-chat-selector";
  root.dataset.lmSuppressShortcuts = "true";
  const count = element("p", "count");
  count.setAttribute("role", "status");
  const list = element("ul", "agents");
  const alarm = element("div", "alarm");
  alarm.setAttribute("role", "alert");
  alarm.hidden = true;
  const set = (ids) => {
    const order = model.get("assistants").map(({ id }) => id);
    model.set("selected", order.filter((id) => ids.has(id)));
    model.save_changes();
  };
  const draw = () => {
    const agents = model.get("assistants");
    const chosen = new Set(model.get("selected"));
    count.textContent = `${chosen.size} of ${agents.length} take part`;
    if (!list.children.length) {
      list.append(...agents.map((agent) => agentLine(agent, chosen.has(agent.id), (on) => {
        const now = new Set(model.get("selected"));
        now[on ? "add" : "delete"](agent.id);
        set(now);
      }, null)));
    }
    for (const line of list.children) line.querySelector("input").checked = chosen.has(line.dataset.agent);
  };
  const row = element("div", "controls");
  row.append(count, element("span", "spacer"),
    button("", "All", "", () => set(new Set(model.get("assistants").map(({ id }) => id)))),
    button("", "None", "", () => set(new Set())));
  const hear = (message) => {
    alarm.textContent = message.text ?? "";
    alarm.hidden = !message.text;
  };
  model.on("change:selected", draw);
  model.on("msg:custom", hear);
  root.addEventListener("keydown", (event) => event.stopPropagation());
  root.append(row, list, alarm);
  el.append(root);
  draw();
  return () => {
    model.off("change:selected", draw);
    model.off("msg:custom", hear);
  };
}

// A function, so that every widget has a state of its own.
export default shared;
