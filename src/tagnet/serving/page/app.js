// @ts-check
// The page for authors: suggests tags while the author types, shows why, and stores what the author makes of them.
// Everything on the page follows from `state`; `render` draws it, the handlers at the end change it.

import { send, unsend } from "./answer.js";
import { render } from "./chips.js";
import { addTag, reachChanged, removeTag, restoreTag } from "./decisions.js";
import { byId } from "./dom.js";
import { takeModel } from "./model.js";
import { choose, closeOptions, renderOptions, searchKey } from "./search.js";
import { call, ServerError } from "./server.js";
import { count, groups, hasText, record, state } from "./state.js";
import { say, showState, showTrouble, stopRetrying } from "./status.js";
import { explain, renderWhy } from "./why.js";

/** @typedef {import("./state.js").Suggestion} Suggestion */

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
  if (!hasText()) state.explained = null;
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
    const gone = answer.model_version === state.version ? [] : (await takeModel()).gone;
    if (mine.signal.aborted) return;
    state.suggestions = new Map(answer.results[0].tags.map((/** @type {Suggestion} */ s) => [s.tag, s]));
    state.suggestedBy = answer.model_version;
    state.fresh = true;
    showState("idle", gone.length ? `The model was replaced, and no longer knows ${gone.join(", ")}.` : "", gone.length > 0);
    render();
    if (state.explained === null) renderWhy();
    else explain(state.explained);
    if (!gone.length) sayTags();
  } catch (error) {
    if (!mine.signal.aborted) refusedOrTrouble(error);
  }
}

/** Another model may read other fields: then the same is asked of it, in its own. @param {unknown} error */
async function refusedOrTrouble(error) {
  try {
    if (error instanceof ServerError && error.status === 422 && (await takeModel()).changed) return textChanged();
    showTrouble(error, suggest);
  } catch (another) {
    showTrouble(another, suggest);
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
  state.id = null;
  state.decisions.clear();
  state.explained = null;
  textChanged();
  byId(`feature-${state.features[0]}`).focus();
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
    await takeModel();
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
  clearTimeout(pointing);
  const action = button.dataset.action;
  if (action === "remove") removeTag(tag);
  else if (action === "add") addTag(tag, "model");
  else if (action === "restore") restoreTag(tag);
  else explain(tag, true);
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
byId("answer").addEventListener("submit", (/** @type {Event} */ e) => {
  e.preventDefault();
  send().then((refused) => { if (refused) suggest(); });
});
byId("answer").addEventListener("input", unsend);
byId("again").addEventListener("click", startAnother);
addEventListener("offline", () => showState("error", "You are offline. Your text is safe; tags come back with the network.", true));
addEventListener("online", () => (state.features.length ? textChanged() : start()));
start();
