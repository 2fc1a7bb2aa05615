// @ts-check
// The page for authors: suggests tags while the author types, shows why, and stores what the author makes of them.
// Everything on the page follows from `state`; `render` draws it, the handlers at the end change it.

/** @typedef {{tag: string, probability: number, threshold: number, accepted: boolean}} Suggestion */
/** @typedef {{tag: string, threshold: number, aliases: string[], parents: string[], train_count: number}} Tag */
/** @typedef {{feature: string, start: number, end: number, text: string, weight: number}} Word */
/** @typedef {{kind: "added" | "removed", source: "model" | "author"}} Decision */

const TYPING_PAUSE_MS = 200;
const POINTING_PAUSE_MS = 150;
const SPEAKING_PAUSE_MS = 1200;
const MAX_ASKED = 200;
const MAX_MAYBE = 6;
const MAX_OPTIONS = 8;
const MAYBE_LOG_ODDS = 2.5;
const TOKEN_KEY = "tagnet-token";

const state = {
  features: /** @type {string[]} */ ([]),
  tags: /** @type {Map<string, Tag>} */ (new Map()),
  suggestions: /** @type {Map<string, Suggestion>} */ (new Map()),
  decisions: /** @type {Map<string, Decision>} */ (new Map()),
  explained: /** @type {string | null} */ (null),
  explanations: /** @type {Map<string, Word[]>} */ (new Map()),
  annotations: false,
  fresh: false,
  id: /** @type {string | null} */ (null), // of the record, where the page's address names one
};

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * @param {string} name @param {Record<string, string>} [attributes] @param {(Node | string)[]} [children]
 * @returns {any}
 */
function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- what is chosen ----

/** @param {number} p */
function logOdds(p) {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, p));
  return Math.log(inside / (1 - inside));
}

/** How far the slider lowers every threshold, in log-odds. */
const reach = () => Number(byId("reach").value);

/** @param {Suggestion} s log-odds by which the tag clears its moved threshold. */
const margin = (s) => logOdds(s.probability) - logOdds(s.threshold) + reach();

/** @param {Suggestion} s the server's own decision stands while the slider is in the middle. */
const isAccepted = (s) => (reach() === 0 ? s.accepted : margin(s) >= 0);

/** The tags on the page, by group; each in falling probability. */
function groups() {
  const accepted = [];
  const maybe = [];
  for (const s of state.suggestions.values()) {
    if (state.decisions.has(s.tag)) continue;
    if (isAccepted(s)) accepted.push(s.tag);
    else if (margin(s) > -MAYBE_LOG_ODDS) maybe.push(s.tag);
  }
  const decided = (/** @type {string} */ kind) => [...state.decisions].filter(([, d]) => d.kind === kind).map(([tag]) => tag);
  const added = decided("added");
  return { kept: accepted, added, removed: decided("removed"), maybe: maybe.slice(0, MAX_MAYBE), chosen: [...accepted, ...added] };
}

// ---- the server ----

class ServerError extends Error {
  /** @param {number} status @param {string} message @param {number} retryAfter seconds */
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** @param {any} body @returns {string} */
function messageOf(body) {
  if (typeof body?.error?.message === "string") return body.error.message;
  if (typeof body?.detail === "string") return body.detail;
  if (Array.isArray(body?.detail)) return body.detail.map((/** @type {any} */ d) => d.msg).join("; ");
  return "";
}

/**
 * @param {string} path @param {unknown} [body] @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function call(path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.status === 401) {
    await askForToken(token !== null);
    signal?.throwIfAborted();
    return call(path, body, signal);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  throw new ServerError(response.status, messageOf(answer), Number(response.headers.get("Retry-After")) || 2);
}

let tokenAsked = /** @type {Promise<void> | null} */ (null);

/** One dialog, however many requests were refused. @param {boolean} refused whether a token was sent and refused. */
function askForToken(refused) {
  tokenAsked ??= new Promise((resolve) => {
    byId("token-wrong").hidden = !refused;
    byId("token").value = "";
    const dialog = byId("token-dialog");
    dialog.addEventListener("cancel", (/** @type {Event} */ e) => e.preventDefault());
    byId("token-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      sessionStorage.setItem(TOKEN_KEY, byId("token").value.trim());
      dialog.close();
      tokenAsked = null;
      resolve();
    };
    dialog.showModal();
  });
  return tokenAsked;
}

// ---- states in words ----

/** @param {"idle" | "loading" | "waiting" | "error"} name @param {string} text @param {boolean} [aloud] */
function showState(name, text, aloud = false) {
  byId("state").dataset.state = name;
  byId("state-text").textContent = text;
  if (aloud) say(text);
}

let speaking = 0;

/** Say it once the author has paused, so that typing is not talked over. @param {string} text @param {number} [pause] */
function say(text, pause = 0) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { byId("live").textContent = text; }, pause);
}

let retrying = 0;

/** @param {() => void} again @param {number} seconds */
function retryIn(seconds, again) {
  clearInterval(retrying);
  let left = Math.ceil(seconds);
  const tick = () => {
    if (left <= 0) { clearInterval(retrying); again(); return; }
    byId("state-text").textContent = `The server is busy. Trying again in ${left} s.`;
    left -= 1;
  };
  showState("waiting", "");
  say("The server is busy. Trying again soon.");
  retrying = setInterval(tick, 1000);
  tick();
}

/** @param {unknown} error @param {() => void} again what to do once the server can be reached */
function showTrouble(error, again) {
  if (error instanceof ServerError && (error.status === 429 || error.status === 503)) return retryIn(error.retryAfter, again);
  if (error instanceof ServerError) {
    const what = error.status === 413 ? "The text is too long." : "The server could not use this text.";
    return showState("error", `${what} ${error.message}`.trim(), true);
  }
  showState("error", "The server cannot be reached. Your text is safe; trying again when it is back.", true);
  clearInterval(retrying);
  retrying = setInterval(() => { clearInterval(retrying); again(); }, 5000);
}

// ---- asking ----

/** @returns {Record<string, string>} */
const record = () => Object.fromEntries(state.features.map((name) => [name, byId(`feature-${name}`).value]));

const hasText = () => Object.values(record()).some((text) => text.trim() !== "");

let typing = 0;
let asking = new AbortController();

function textChanged() {
  clearTimeout(typing);
  clearInterval(retrying);
  asking.abort();
  state.explanations.clear();
  state.fresh = false;
  unsend();
  renderWhy();
  if (!hasText()) {
    state.suggestions.clear();
    showState("idle", "");
    render();
    return;
  }
  byId("send").disabled = true;
  typing = setTimeout(suggest, TYPING_PAUSE_MS);
}

async function suggest() {
  asking.abort();
  const mine = (asking = new AbortController());
  showState("loading", "Reading your text…");
  try {
    const top = Math.min(MAX_ASKED, state.tags.size);
    const answer = await call("/v1/tags", { records: [record()], top }, mine.signal);
    if (mine.signal.aborted) return;
    state.suggestions = new Map(answer.results[0].tags.map((/** @type {Suggestion} */ s) => [s.tag, s]));
    state.fresh = true;
    showState("idle", "");
    render();
    if (state.explained !== null) explain(state.explained);
    sayTags();
  } catch (error) {
    if (!mine.signal.aborted) showTrouble(error, suggest);
  }
}

let saidTags = "";

function sayTags() {
  const { chosen } = groups();
  const text = chosen.length ? `${count(chosen.length)}: ${chosen.join(", ")}` : "No tag is sure enough.";
  if (text !== saidTags) say(text, SPEAKING_PAUSE_MS);
  saidTags = text;
}

/** @param {number} n */
const count = (n) => (n === 1 ? "1 tag" : `${n} tags`);

let explaining = new AbortController();

/** @param {string} tag */
async function explain(tag) {
  state.explained = tag;
  explaining.abort();
  const mine = (explaining = new AbortController());
  markExplained();
  renderWhy();
  if (state.explanations.has(tag) || !state.fresh) return;
  try {
    const answer = await call("/v1/explain", { record: record(), tags: [tag] }, mine.signal);
    if (mine.signal.aborted || !state.fresh) return;
    state.explanations.set(tag, answer.tags[0].words);
    renderWhy();
  } catch (error) {
    if (mine.signal.aborted) return;
    const busy = error instanceof ServerError && (error.status === 429 || error.status === 503);
    byId("why-hint").textContent = busy ? "The server is busy; choose the tag again in a moment." : "The words could not be found this time.";
  }
}

// ---- drawing ----

/** @param {number} p */
const percent = (p) => (p < 0.01 ? "<1%" : p > 0.99 ? ">99%" : `${Math.round(100 * p)}%`);

/** @param {string} tag @param {"remove" | "add" | "restore"} action */
function chip(tag, action) {
  const s = state.suggestions.get(tag);
  const why = element("button", { type: "button", class: "why", "data-tag": tag, "aria-pressed": String(state.explained === tag) });
  const parents = state.tags.get(tag)?.parents ?? [];
  if (parents.length) why.append(element("span", { class: "parents" }, [element("span", { class: "hidden" }, ["in "]), parents.join(" · "), element("span", { class: "hidden" }, [": "])]));
  why.append(element("span", { class: "name" }, [tag]));
  if (state.decisions.get(tag)?.kind === "added") why.append(element("span", { class: "yours" }, ["yours"]));
  if (s) {
    why.append(element("span", { class: "probability" }, [percent(s.probability)]));
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--value", String(s.probability));
    bar.style.setProperty("--threshold", String(1 / (1 + Math.exp(reach() - logOdds(s.threshold)))));
    why.append(bar);
  }
  const verb = { remove: "Remove", add: "Add", restore: "Put back" }[action];
  const sign = { remove: "×", add: "+", restore: "↺" }[action];
  const act = element("button", { type: "button", class: "act", "data-action": action, "data-tag": tag, "aria-label": `${verb} ${tag}`, title: `${verb} ${tag}` }, [sign]);
  return element("li", { class: "chip" }, [why, act]);
}

function render() {
  const { chosen, maybe, removed } = groups();
  const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest(".chip button") ?? null);
  const asText = hasText();
  byId("chosen").replaceChildren(...chosen.map((tag) => chip(tag, "remove")));
  byId("maybe").replaceChildren(...maybe.map((tag) => chip(tag, "add")));
  byId("removed").replaceChildren(...removed.map((tag) => chip(tag, "restore")));
  byId("maybe-part").hidden = maybe.length === 0;
  byId("removed-part").hidden = removed.length === 0;
  byId("count").textContent = chosen.length ? String(chosen.length) : "";
  byId("empty").hidden = chosen.length > 0;
  byId("empty").textContent = asText && state.fresh ? "No tag is sure enough. Write a little more, or move the slider." : "Tags appear here as you type.";
  byId("send").disabled = !(asText && state.fresh) || sending;
  if (focused) focusAgain(focused);
}

/** The chips are drawn anew; the focus goes to the same button, or to the tag wherever it moved. @param {HTMLElement} old */
function focusAgain(old) {
  const same = [...document.querySelectorAll(".chip button")].filter((b) => /** @type {HTMLElement} */ (b).dataset.tag === old.dataset.tag);
  const kind = old.classList.contains("why") ? ".why" : ".act";
  const next = same.find((b) => b.matches(kind)) ?? byId("tags");
  /** @type {HTMLElement} */ (next).focus({ preventScroll: true });
}

function markExplained() {
  for (const button of document.querySelectorAll(".chip .why")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.tag === state.explained));
  }
}

function renderWhy() {
  const tag = state.explained;
  const words = tag === null ? undefined : state.explanations.get(tag);
  const hint = byId("why-hint");
  byId("why-heading").textContent = tag === null ? "Why" : `Why ${tag}`;
  byId("why-words").hidden = words === undefined;
  hint.hidden = words !== undefined;
  if (words === undefined) {
    byId("preview").replaceChildren();
    hint.textContent = tag === null || !hasText() ? "Point at a tag, or choose it, to see the words that carried it." : "Looking for the words that carried it…";
    return;
  }
  const carried = words.filter((w) => w.weight > 0).sort((a, b) => b.weight - a.weight).slice(0, 5);
  byId("why-words").textContent = carried.length ? `Carried most by ${carried.map((w) => `“${w.text}”`).join(", ")}.` : "No single word carried this tag.";
  byId("preview").replaceChildren(...state.features.map((name) => highlighted(name, words)));
}

/** The server counts characters as Python does, in code points. @param {string} name @param {Word[]} words */
function highlighted(name, words) {
  const points = Array.from(record()[name]);
  const largest = Math.max(...words.map((w) => Math.abs(w.weight)), 1e-9);
  const line = element("p", { class: "text" });
  let at = 0;
  for (const w of words.filter((word) => word.feature === name).sort((a, b) => a.start - b.start)) {
    if (w.start < at) continue;
    const mark = element("mark", { class: w.weight < 0 ? "against" : "for" }, [points.slice(w.start, w.end).join("")]);
    mark.style.setProperty("--weight", String(Math.abs(w.weight) / largest));
    line.append(points.slice(at, w.start).join(""), mark);
    at = w.end;
  }
  line.append(points.slice(at).join(""));
  return line;
}

// ---- the author's changes ----

/** @param {string} tag @param {"model" | "author"} source */
function addTag(tag, source) {
  const s = state.suggestions.get(tag);
  if (s && isAccepted(s)) state.decisions.delete(tag);
  else state.decisions.set(tag, { kind: "added", source });
  unsend();
  render();
  say(`${tag} added`);
}

/** @param {string} tag */
function removeTag(tag) {
  if (state.decisions.get(tag)?.kind === "added") state.decisions.delete(tag);
  else state.decisions.set(tag, { kind: "removed", source: "model" });
  unsend();
  render();
  say(`${tag} removed`);
}

/** @param {string} tag */
function restoreTag(tag) {
  state.decisions.delete(tag);
  unsend();
  render();
  say(`${tag} is back`);
}

/** @param {number} r */
function reachInWords(r) {
  if (r === 0) return "as tuned";
  const size = Math.abs(r) < 1 ? "a little" : Math.abs(r) < 2 ? "clearly" : "far";
  return r > 0 ? `${size} more` : `${size} surer`;
}

function reachChanged() {
  const words = reachInWords(reach());
  byId("reach-text").textContent = words;
  unsend();
  render();
  byId("reach").setAttribute("aria-valuetext", `${words}, ${count(groups().chosen.length)}`);
}

// ---- search over names and aliases ----

let current = -1;

/** @param {string} asked @returns {{tag: Tag, alias: string | null}[]} */
function find(asked) {
  const flat = (/** @type {string} */ text) => text.toLowerCase().replace(/[-_\s]+/g, " ").trim();
  const wanted = flat(asked);
  if (!wanted) return [];
  const chosen = new Set(groups().chosen);
  const rank = (/** @type {string} */ text) => (flat(text) === wanted ? 0 : flat(text).startsWith(wanted) ? 1 : flat(text).includes(` ${wanted}`) ? 2 : flat(text).includes(wanted) ? 3 : 9);
  return [...state.tags.values()]
    .filter((tag) => !chosen.has(tag.tag))
    .map((tag) => {
      const alias = [...tag.aliases].sort((a, b) => rank(a) - rank(b))[0] ?? "";
      const named = rank(tag.tag);
      const other = alias ? rank(alias) : 9;
      return { tag, alias: other < named ? alias : null, rank: Math.min(named, other) };
    })
    .filter((found) => found.rank < 9)
    .sort((a, b) => a.rank - b.rank || b.tag.train_count - a.tag.train_count)
    .slice(0, MAX_OPTIONS);
}

function renderOptions() {
  const search = byId("search");
  const found = find(search.value);
  const list = byId("options");
  list.replaceChildren(
    ...found.map(({ tag, alias }, i) => {
      const note = alias ?? tag.parents.join(" · ");
      return element("li", { role: "option", id: `option-${i}`, "data-tag": tag.tag, "aria-selected": "false" }, [element("span", {}, [tag.tag]), ...(note ? [element("small", {}, [alias ? ` also “${note}”` : ` in ${note}`])] : [])]);
    }),
  );
  if (!found.length && search.value.trim()) say("No such tag", SPEAKING_PAUSE_MS);
  list.hidden = found.length === 0;
  search.setAttribute("aria-expanded", String(found.length > 0));
  point(found.length ? 0 : -1);
}

/** @param {number} i */
function point(i) {
  current = i;
  const options = byId("options").children;
  for (const [j, option] of [...options].entries()) option.setAttribute("aria-selected", String(j === i));
  if (i < 0) byId("search").removeAttribute("aria-activedescendant");
  else { byId("search").setAttribute("aria-activedescendant", `option-${i}`); options[i].scrollIntoView({ block: "nearest" }); }
}

/** @param {boolean} [clear] */
function closeOptions(clear = false) {
  if (clear) byId("search").value = "";
  byId("options").hidden = true;
  byId("options").replaceChildren();
  byId("search").setAttribute("aria-expanded", "false");
  point(-1);
}

/** @param {KeyboardEvent} event */
function searchKey(event) {
  const options = byId("options").children;
  if (event.key === "Escape") closeOptions(options.length === 0);
  else if (event.key === "ArrowDown" && !options.length) renderOptions();
  else if (event.key === "ArrowDown") point((current + 1) % options.length);
  else if (event.key === "ArrowUp" && options.length) point((current - 1 + options.length) % options.length);
  else if (event.key === "Enter" && current >= 0) choose(options[current].dataset.tag);
  else return;
  event.preventDefault();
}

/** @param {string} tag */
function choose(tag) {
  closeOptions(true);
  addTag(tag, "author");
}

// ---- sending ----

let sending = false;

function unsend() {
  byId("sent").hidden = true;
  byId("again").hidden = true;
  byId("send").hidden = false;
}

/** What the author saw and made of it; a tag the author decided on was shown, whatever the slider says now. */
function annotation() {
  const { kept, added, removed, maybe } = groups();
  const shown = [...kept, ...maybe, ...added, ...removed].map((tag) => ({
    tag,
    probability: state.suggestions.get(tag)?.probability ?? null,
    source: state.decisions.get(tag)?.source ?? "model",
  }));
  const comment = byId("comment").value.trim();
  const annotator = byId("annotator").value.trim();
  const asked = state.id === null ? record() : { id: state.id, ...record() };
  return { record: asked, shown, kept, added, removed, ...(comment && { comment }), ...(annotator && { annotator }) };
}

async function send() {
  if (sending || !state.fresh) return;
  sending = true;
  byId("send").disabled = true;
  try {
    await call("/v1/annotations", annotation());
    byId("send").hidden = true;
    byId("again").hidden = false;
    byId("sent").hidden = false;
    byId("sent").textContent = "Sent. Thank you.";
    byId("again").focus();
    say("Sent. Thank you.");
  } catch (error) {
    const busy = error instanceof ServerError && (error.status === 429 || error.status === 503);
    const text = busy ? "The server is busy; send again in a moment." : error instanceof ServerError ? `Not stored. ${error.message}` : "The server cannot be reached; nothing was sent. Try again.";
    byId("sent").hidden = false;
    byId("sent").textContent = text;
    say(text);
  } finally {
    sending = false;
    byId("send").disabled = !(hasText() && state.fresh);
  }
}

function startAnother() {
  for (const name of state.features) byId(`feature-${name}`).value = "";
  byId("comment").value = "";
  state.id = null;
  state.decisions.clear();
  state.explained = null;
  textChanged();
  byId(`feature-${state.features[0]}`).focus();
}

// ---- start ----

/** @param {string} name */
function field(name) {
  const id = `feature-${name}`;
  const words = name.replace(/[_-]+/g, " ");
  const short = /^(title|name|heading|subject)$/i.test(name);
  const input = short ? element("input", { id, type: "text" }) : element("textarea", { id, rows: "6" });
  return [element("label", { for: id }, [words.charAt(0).toUpperCase() + words.slice(1)]), input];
}

/** What the page's address names, `/?id=7&title=…&description=…`: the record that is asked about, and its texts. */
function takeAddress() {
  const named = new URLSearchParams(location.search);
  state.id = named.get("id") || null;
  for (const name of state.features) byId(`feature-${name}`).value = named.get(name) ?? "";
  if (hasText()) textChanged();
}

async function start() {
  try {
    const labels = await call("/v1/labels");
    state.features = labels.features;
    state.tags = new Map(labels.tags.map((/** @type {Tag} */ tag) => [tag.tag, tag]));
    state.annotations = labels.annotations;
    byId("model").textContent = `${labels.tags.length} tags · model ${labels.model_version}`;
    byId("record").replaceChildren(...state.features.flatMap(field));
    byId("answer").hidden = !state.annotations;
    showState("idle", "");
    takeAddress();
  } catch (error) {
    showTrouble(error, start);
  }
}

/** @param {Event} event @returns {HTMLElement | null} */
const chipButton = (event) => /** @type {Element} */ (event.target).closest(".chip button");

let pointing = 0;

/** @param {Event} event */
function chipPointed(event) {
  const button = chipButton(event);
  const touched = event instanceof PointerEvent && event.pointerType !== "mouse";
  clearTimeout(pointing);
  if (!button?.matches(".why") || touched || button.dataset.tag === state.explained) return;
  pointing = setTimeout(() => explain(/** @type {string} */ (button.dataset.tag)), POINTING_PAUSE_MS);
}

/** @param {Event} event */
function chipClicked(event) {
  const button = chipButton(event);
  const tag = button?.dataset.tag;
  if (!button || tag === undefined) return;
  const action = button.dataset.action;
  if (action === "remove") removeTag(tag);
  else if (action === "add") addTag(tag, "model");
  else if (action === "restore") restoreTag(tag);
  else explain(tag);
}

byId("record").addEventListener("input", textChanged);
byId("record").addEventListener("submit", (/** @type {Event} */ e) => e.preventDefault());
byId("reach").addEventListener("input", reachChanged);
byId("tags").addEventListener("click", chipClicked);
byId("tags").addEventListener("pointerover", chipPointed);
byId("tags").addEventListener("focusin", chipPointed);
byId("search").addEventListener("input", renderOptions);
byId("search").addEventListener("keydown", searchKey);
byId("search").addEventListener("blur", () => closeOptions());
byId("options").addEventListener("pointerdown", (/** @type {Event} */ e) => e.preventDefault());
byId("options").addEventListener("click", (/** @type {Event} */ e) => {
  const option = /** @type {any} */ (e.target).closest("[role=option]");
  if (option) choose(option.dataset.tag);
});
byId("answer").addEventListener("submit", (/** @type {Event} */ e) => { e.preventDefault(); send(); });
byId("again").addEventListener("click", startAnother);
addEventListener("offline", () => showState("error", "You are offline. Your text is safe; tags come back with the network.", true));
addEventListener("online", () => (state.features.length ? textChanged() : start()));
start();
