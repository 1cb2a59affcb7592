"use strict";
// The labelling page, with a server behind it or as a file of its own.
// A label is first kept in this browser, then sent; it leaves the browser when the server has it.
(() => {
  const body = document.body;
  const { mode, key } = body.dataset;
  const isFile = mode === "file";
  const PREFIX = `seedstep:${key}:`;
  const RETRY = [1000, 2000, 4000, 8000, 15000];
  const AHEAD = 4;
  const MOST_SECONDS = 3600;
  const $ = (id) => document.getElementById(id);
  const memory = new Map();
  let keepsNothing = false;

  // What this browser keeps.
  const kept = {
    get(name) {
      try { return localStorage.getItem(PREFIX + name) ?? memory.get(name) ?? null; }
      catch { return memory.get(name) ?? null; }
    },
    set(name, value) {
      memory.set(name, value);
      try { localStorage.setItem(PREFIX + name, value); } catch { keepsNothing = true; }
    },
    drop(name) {
      memory.delete(name);
      try { localStorage.removeItem(PREFIX + name); } catch { keepsNothing = true; }
    },
    names(start) {
      const found = new Set([...memory.keys()].filter((name) => name.startsWith(start)));
      try {
        for (let place = 0; place < localStorage.length; place += 1) {
          const name = localStorage.key(place);
          if (name.startsWith(PREFIX + start)) found.add(name.slice(PREFIX.length));
        }
      } catch { keepsNothing = true; }
      return [...found];
    },
  };
  const rowsKept = (start) => kept.names(start)
    .map((name) => { try { return JSON.parse(kept.get(name)); } catch { return null; } })
    .filter((row) => row && typeof row.id === "string" && Number.isInteger(row.number))
    .sort((one, other) => one.order - other.order);

  function scrollable(root) {
    for (const text of root.querySelectorAll("pre[data-label], .scroll[data-label]")) {
      if (text.scrollHeight > text.clientHeight + 1 || text.scrollWidth > text.clientWidth + 1) {
        text.tabIndex = 0;
        text.setAttribute("role", "region");
        text.setAttribute("aria-label", text.dataset.label);
      }
    }
  }
  window.addEventListener("resize", () => scrollable(document));
  if (!mode) { scrollable(document); return; }

  const main = $("main");
  const pages = new Map();     // number -> promise of an article
  const mine = new Map();      // number -> rows of this session
  let number = 0;
  let article = null;
  let known = [];              // rows about this item that the page came with
  let since = 0;
  let spent = 0;
  let refused = "";
  let tries = 0;
  let timer = 0;
  let sending = false;
  let leaving = false;
  let lastOrder = 0;

  // Rows.
  function standing(rows) {
    let stack = [];
    for (const row of rows) {
      if (row.action !== "undo") stack.push(row);
      else if (row.undoes) stack = stack.filter((other) => other.id !== row.undoes);
      else stack.pop();
    }
    return stack.at(-1) ?? null;
  }
  function rowsOf(which) {
    const found = new Map();
    const here = which === number ? known : [];
    const own = isFile ? rowsKept("row:") : [...(mine.get(which) ?? []), ...rowsKept("wait:")];
    for (const row of [...here, ...own]) {
      if (row.number === undefined || row.number === which) found.set(row.id, row);
    }
    return [...found.values()];
  }
  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Saving.
  function keep(row) {
    lastOrder = Math.max(lastOrder + 1, Date.now() * 1000);
    row.order = lastOrder;
    kept.set((isFile ? "row:" : "wait:") + row.id, JSON.stringify(row));
    if (isFile) { showSaved(); return; }
    remember(row);
    tries = 0;
    showSaved("Saving …");
    flush();
  }
  function remember(row) {
    const own = mine.get(row.number) ?? [];
    if (!own.some((one) => one.id === row.id)) mine.set(row.number, [...own, row]);
  }
  async function flush() {
    clearTimeout(timer);
    if (sending || isFile) return;
    const waiting = rowsKept("wait:").filter((row) => !row.refused);
    if (!waiting.length) { showSaved(); return; }
    sending = true;
    let failed = false;
    for (const row of waiting) {
      const { order, refused: _, ...sent } = row;
      try {
        const reply = await fetch(body.dataset.save, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(sent),
          cache: "no-store",
        });
        const said = await reply.json().catch(() => ({}));
        if (reply.ok && said.saved === row.id) {
          remember(row);
          kept.drop(`wait:${row.id}`);
          refused = "";
          progress(said.done, said.total);
        } else if (reply.status === 413 || (reply.status === 400 && said.message)) {
          row.refused = said.message || "too long";
          kept.set(`wait:${row.id}`, JSON.stringify(row));
        } else {  // also what another server says at this address: ours may come back
          refused = said.message || "the server does not take it";
          failed = true;
          break;
        }
      } catch {
        refused = "the server does not answer";
        failed = true;
        break;
      }
    }
    sending = false;
    showSaved();
    leave();
    if (failed) {
      timer = setTimeout(flush, RETRY[Math.min(tries, RETRY.length - 1)]);
      tries += 1;
    } else if (rowsKept("wait:").some((row) => !row.refused)) {
      flush();
    }
  }

  // What is said of saving.
  function showSaved(text) {
    const place = $("saved");
    const queue = $("queue");
    const waiting = isFile ? [] : rowsKept("wait:");
    const isBad = waiting.length > 0 && !text;
    place.classList.toggle("waiting", isBad);
    const clock = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    if (text) place.textContent = text;
    else if (isBad) place.textContent = `Not saved: ${waiting.length}`;
    else if (mine.size || isFile) place.textContent = isFile ? fileState() : `All saved, ${clock}`;
    queue.hidden = !isBad;
    if (isBad) {
      $("queue-text").textContent = `Nothing of this was saved yet: ${(refused || "see below").replace(/\.$/, "")}. `
        + "It is kept in this browser and sent as soon as the server takes it. You can go on.";
      $("queue-list").replaceChildren(...waiting.map((row) => {
        const line = document.createElement("li");
        line.textContent = `Item ${row.number}: ${told(row)}${row.refused ? ` — refused: ${row.refused}` : ""}`;
        if (row.refused) {
          const button = document.createElement("button");
          button.type = "button";
          button.textContent = "Give it up";
          button.addEventListener("click", () => { kept.drop(`wait:${row.id}`); showSaved(); });
          line.append(" ", button);
        }
        return line;
      }));
    }
  }
  function fileState() {
    return keepsNothing
      ? "This browser keeps nothing: save your labels as a file before you close it."
      : "Kept in this browser";
  }
  function progress(done, total) {
    $("done").value = done;
    $("done").max = total;
    $("done-text").textContent = `${done} of ${total}`;
  }
  function told(row) {
    if (row.action === "undo") return "undone";
    if (row.action === "skip") return `skipped${row.flagged ? ", flagged" : ""}`;
    const said = Object.entries(row.answers).map(([name, value]) => `${name}: ${labelOf(name, value)}`);
    return `${said.join(", ")}${row.flagged ? ", flagged" : ""}`;
  }
  function labelOf(name, value) {
    const radio = [...document.querySelectorAll('#form input[type="radio"]')]
      .find((one) => one.name === name && one.value === value);
    const label = radio?.closest("label").querySelector(".name").firstChild.textContent.trim();
    return label || (value.length > 60 ? `${value.slice(0, 60)}…` : value);
  }

  // Items.
  function page(which) {
    if (!pages.has(which)) {
      const found = isFile ? fromFile(which) : fromServer(which);
      pages.set(which, found);
      found.catch(() => pages.delete(which));
    }
    return pages.get(which);
  }
  async function fromFile(which) {
    return $(`item-${which}`).content.querySelector("article");
  }
  async function fromServer(which) {
    const reply = await fetch(`${body.dataset.up}item/${which}`, { cache: "no-store" });
    if (!reply.ok) throw new Error(String(reply.status));
    const found = new DOMParser().parseFromString(await reply.text(), "text/html");
    return found.querySelector("article");
  }
  async function go(which, remember = true) {
    if (!which) {
      if (isFile) { openList(); return; }
      leaving = true;
      leave();
      return;
    }
    keepDraft();
    try {
      const found = await page(which);
      show(document.importNode(found, true), which, remember);
    } catch {
      refused = "the server does not answer";
      $("missing").textContent = `Item ${which} can't be loaded now: the server does not answer. Try again in a moment.`;
    }
  }
  function show(fresh, which, remember) {
    main.replaceChildren(fresh);
    leaving = false;
    number = which;
    take(fresh);
    if (remember && !isFile) history.pushState(null, "", `${body.dataset.up}item/${which}`);
    if (isFile) kept.set("at", String(which));
    document.title = `Item ${which}`;
    $("heading").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  function take(fresh) {
    article = fresh;
    number = Number(article.dataset.number);
    try { known = JSON.parse(article.dataset.rows); } catch { known = []; }
    spent = 0;
    since = document.hidden ? 0 : performance.now();
    if (!isFile) pages.set(number, Promise.resolve(document.importNode(article, true)));
    fill();
    listen();
    scrollable(article);
    if (!isFile) ahead(Number(article.dataset.next), AHEAD);
  }

  // After the last item: home, as soon as everything is saved.
  function leave() {
    if (leaving && !sending && !rowsKept("wait:").length) location.assign(body.dataset.home);
  }
  // The next items are there before they are wanted, also when the server goes away.
  async function ahead(which, left) {
    if (!which || !left) return;
    try { ahead(Number((await page(which)).dataset.next), left - 1); } catch { /* later */ }
  }

  // The form.
  const questions = () => [...document.querySelectorAll("#form .question")];
  // Half of a pair of code units, as a cut emoji leaves, can't be written as UTF-8.
  const whole = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");
  function answerOf(question) {
    if (question.dataset.kind === "text") return whole(question.querySelector("textarea").value.trim());
    return question.querySelector("input:checked")?.value ?? "";
  }
  function answers() {
    const found = Object.create(null);  // a question may have any name
    for (const question of questions()) {
      const answer = answerOf(question);
      if (answer) found[question.dataset.question] = answer;
    }
    return found;
  }
  const missing = () => questions().filter((one) => !one.dataset.optional && !answerOf(one));
  function setAnswers(given) {
    for (const question of questions()) {
      const name = question.dataset.question;
      const value = Object.hasOwn(given, name) ? given[name] : "";
      if (question.dataset.kind === "text") question.querySelector("textarea").value = value;
      else for (const radio of question.querySelectorAll("input")) radio.checked = radio.value === value;
    }
  }
  function fill() {
    const rows = rowsOf(number);
    const counts = standing(rows);
    let draft = null;
    try { draft = JSON.parse(kept.get(`draft:${number}`)); } catch { draft = null; }
    const from = draft ?? counts;
    setAnswers(from?.answers ?? {});
    $("note").value = from?.note ?? "";
    $("flag").checked = Boolean(from?.flagged);
    if ($("note").value) $("note").closest("details").open = true;
    $("state").textContent = counts
      ? (counts.action === "skip" ? "You skipped this item." : "You labelled this item. Saving again replaces it.")
      : "";
    $("undo").disabled = !counts;
    $("back").disabled = !Number(article.dataset.back);
    $("next").disabled = !Number(article.dataset.next);
    $("missing").textContent = "";
    $("history").replaceChildren(...rows.map((row) => {
      const line = document.createElement("li");
      const when = new Date((row.at || row.made) * 1000).toLocaleString();
      line.textContent = `${when}: ${row.person ? `${row.person}, ` : ""}${told(row)}${row.note ? ` — ${row.note}` : ""}`;
      line.classList.toggle("counts", row === counts);
      return line;
    }));
    mark();
    if (isFile) {
      const labelled = new Map();
      for (const row of rowsKept("row:")) labelled.set(row.number, [...(labelled.get(row.number) ?? []), row]);
      const done = [...labelled.values()].filter((own) => standing(own)?.action === "label").length;
      progress(done, Number(body.dataset.count));
    }
  }
  function mark() {
    const next = missing()[0];
    for (const question of questions()) question.classList.toggle("active", question === next);
  }
  function keepDraft() {
    if (!article || !$("form")) return;
    const counts = standing(rowsOf(number));
    const now = { answers: answers(), note: $("note").value, flagged: $("flag").checked };
    const before = { answers: counts?.answers ?? {}, note: counts?.note ?? "", flagged: Boolean(counts?.flagged) };
    if (JSON.stringify(now) === JSON.stringify(before)) kept.drop(`draft:${number}`);
    else kept.set(`draft:${number}`, JSON.stringify(now));
  }
  function row(action) {
    if (since) { spent += performance.now() - since; since = performance.now(); }
    return {
      id: newId(),
      number,
      action,
      answers: action === "label" ? answers() : {},
      note: action === "undo" ? "" : whole($("note").value),
      flagged: action !== "undo" && $("flag").checked,
      undoes: action === "undo" ? standing(rowsOf(number)).id : "",
      ...($("person") ? { person: whole($("person").value.trim()) } : {}),
      seconds: Math.min(MOST_SECONDS, Math.round(spent / 100) / 10),
      made: Date.now() / 1000,
    };
  }
  function save() {
    const open = missing();
    if (open.length) {
      $("missing").textContent = `Please answer: ${open.map((one) => one.querySelector("legend, label").textContent.trim()).join(" · ")}`;
      (open[0].querySelector("input, textarea")).focus();
      mark();
      return;
    }
    finish("label");
  }
  function finish(action) {
    keep(row(action));
    kept.drop(`draft:${number}`);
    fill();
    go(Number(article.dataset.next));
  }
  function undo() {
    if (!standing(rowsOf(number))) return;
    keep(row("undo"));
    kept.drop(`draft:${number}`);
    fill();
    $("state").textContent = "Undone.";
  }
  function listen() {
    $("form").addEventListener("submit", (event) => { event.preventDefault(); save(); });
    $("form").addEventListener("change", (event) => {
      mark();
      keepDraft();
      $("missing").textContent = "";
      if (goesOn() && event.target.type === "radio" && !missing().length) save();
    });
    $("form").addEventListener("input", keepDraft);
    $("skip").addEventListener("click", () => finish("skip"));
    $("undo").addEventListener("click", undo);
    $("back").addEventListener("click", () => go(Number(article.dataset.back)));
    $("next").addEventListener("click", () => { if (Number(article.dataset.next)) go(Number(article.dataset.next)); });
  }

  // Keys.
  const usesKeys = () => kept.get("no-keys") !== "yes";
  const goesOn = () => kept.get("go-on") === "yes";
  function openList() {
    if (!isFile) { location.assign(`${body.dataset.up}list`); return; }
    const states = new Map();
    for (const one of rowsKept("row:")) states.set(one.number, [...(states.get(one.number) ?? []), one]);
    $("list-items").replaceChildren(...Array.from({ length: Number(body.dataset.count) }, (_, place) => {
      const line = document.createElement("li");
      const button = document.createElement("button");
      const counts = standing(states.get(place + 1) ?? []);
      const state = counts ? { label: "labelled", skip: "skipped" }[counts.action] : "open";
      button.type = "button";
      button.className = state;
      button.textContent = `${place + 1} ${state}`;
      button.addEventListener("click", () => { $("list").close(); go(place + 1); });
      line.append(button);
      return line;
    }));
    $("list").showModal();
  }
  const ACTIONS = {
    k: () => $("back").click(),
    j: () => $("next").click(),
    u: undo,
    x: () => finish("skip"),
    w: () => { $("note").closest("details").open = true; $("note").focus(); },
    f: () => { $("flag").click(); },
    g: () => $("guidelines").showModal(),
    l: openList,
    h: () => { const past = document.querySelector("details.history"); past.open = !past.open; },
    "?": () => $("keys").showModal(),
  };
  function choose(pressed) {
    const question = document.activeElement?.closest?.(".question") ?? missing()[0] ?? questions()[0];
    if (!question || question.dataset.kind === "text") return false;
    const radios = [...question.querySelectorAll("input")];
    const letter = (radio) => radio.closest("label").querySelector(".name").textContent.trim()[0]?.toLowerCase();
    const fitting = radios.filter((radio) => letter(radio) === pressed);
    const keyed = radios.find((radio) => radio.closest("label").querySelector("kbd")?.textContent === pressed);
    const chosen = keyed ?? (fitting.length === 1 ? fitting[0] : null);
    if (!chosen) return false;
    if (document.activeElement?.closest?.(".question")) document.activeElement.blur();
    chosen.checked = true;
    chosen.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (document.querySelector("dialog[open]") || event.isComposing || event.altKey || event.metaKey) return;
    if (target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])")) {
      if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); save(); }
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.ctrlKey) {
      if (event.key === "z") { event.preventDefault(); undo(); }
      return;
    }
    if (event.key === "Enter") {
      if (target.matches("button, a, summary")) return;
      event.preventDefault();
      save();
      return;
    }
    if (!usesKeys()) return;
    const pressed = event.key.toLowerCase();
    if (Object.hasOwn(ACTIONS, pressed)) { event.preventDefault(); ACTIONS[pressed](); }
    else if (choose(pressed)) event.preventDefault();
  });

  // The frame around the items.
  $("open-guidelines").addEventListener("click", ACTIONS.g);
  $("open-keys").addEventListener("click", ACTIONS["?"]);
  $("open-list").addEventListener("click", openList);
  for (const button of document.querySelectorAll("dialog .close")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  $("use-keys").checked = usesKeys();
  $("use-keys").addEventListener("change", (event) => kept.set("no-keys", event.target.checked ? "" : "yes"));
  if ($("person")) {
    $("person").value = kept.get("person") ?? "";
    $("person").addEventListener("input", (event) => kept.set("person", event.target.value));
  }
  $("go-on").checked = goesOn();
  $("go-on").addEventListener("change", (event) => kept.set("go-on", event.target.checked ? "yes" : ""));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (since) spent += performance.now() - since; since = 0; }
    else since = performance.now();
  });
  window.addEventListener("popstate", () => {
    const found = /item\/(\d+)$/.exec(location.pathname);
    if (found) go(Number(found[1]), false); else location.reload();
  });
  window.addEventListener("online", () => { tries = 0; flush(); });
  window.addEventListener("beforeunload", (event) => {
    keepDraft();
    const isLost = keepsNothing && (isFile ? rowsKept("row:").length : rowsKept("wait:").length);
    if (isLost) event.preventDefault();
  });

  if (isFile) {
    $("give").addEventListener("click", () => {
      const lines = rowsKept("row:").map(({ order, ...one }) => JSON.stringify(one));
      const text = [body.dataset.head, ...lines, ""].join("\n");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
      link.download = body.dataset.file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      $("given").textContent = `${lines.length} entries in ${body.dataset.file}`;
    });
    showSaved();
    go(Number(kept.get("at")) || 1, false);
  } else {
    take(document.querySelector("article"));
    flush();
  }
})();
