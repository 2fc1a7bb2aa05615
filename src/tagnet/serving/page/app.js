// @ts-check
// The page for authors: suggests tags while the author types, shows why, and stores what the author makes of them.
// Everything on the page follows from `state`; `render` draws it, the handlers at the end change it.

import { send, unsend } from "./answer.js";
import { render } from "./chips.js";
import { addTag, reachChanged, removeTag, restoreTag } from "./decisions.js";
import { byId, element } from "./dom.js";
import { choose, closeOptions, renderOptions, searchKey } from "./search.js";
import { call } from "./server.js";
import { count, groups, hasText, record, state } from "./state.js";
import { say, showState, showTrouble, stopRetrying } from "./status.js";
import { explain, renderWhy } from "./why.js";

/** @typedef {import("./state.js").Suggestion} Suggestion */
/** @typedef {import("./state.js").Tag} Tag */

const TYPING_PAUSE_MS = 200;
const POINTING_PAUSE_MS = 150;
const SPEAKING_PAUSE_MS = 1200;
const MAX_ASKED = 200;

let typing = 0;
let asking = new AbortController();

function textChanged() {
  clearTimeout(typing);
  stopRetrying();
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

function startAnother() {
  for (const name of state.features) byId(`feature-${name}`).value = "";
  byId("comment").value = "";
  state.decisions.clear();
  state.explained = null;
  textChanged();
  byId(`feature-${state.features[0]}`).focus();
}

/** @param {string} name */
function field(name) {
  const id = `feature-${name}`;
  const words = name.replace(/[_-]+/g, " ");
  const short = /^(title|name|heading|subject)$/i.test(name);
  const input = short ? element("input", { id, type: "text" }) : element("textarea", { id, rows: "6" });
  return [element("label", { for: id }, [words.charAt(0).toUpperCase() + words.slice(1)]), input];
}

async function start() {
  try {
    const labels = await call("/v1/labels");
    state.features = labels.features;
    state.tags = new Map(labels.tags.map((/** @type {Tag} */ tag) => [tag.tag, tag]));
    state.annotations = labels.annotations;
    byId("model").textContent = `${labels.tags.length} tags · model ${labels.model_version.slice(0, 12)}`;
    byId("model").title = labels.model_version;
    byId("record").replaceChildren(...state.features.flatMap(field));
    byId("answer").hidden = !state.annotations;
    showState("idle", "");
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
