// @ts-check
// Which words carried a tag.

import { byId, element } from "./dom.js";
import { call, isBusy, ServerError } from "./server.js";
import { hasText, record, state } from "./state.js";
import { say } from "./status.js";

/** @typedef {import("./state.js").Word} Word */

/** Words with a smaller share of the largest weight are not marked. */
const FAINT = 0.1;

let explaining = new AbortController();

/** @param {string} tag @param {boolean} [aloud] whether the words are also said: the author has asked for them */
export async function explain(tag, aloud = false) {
  state.explained = tag;
  explaining.abort();
  const mine = (explaining = new AbortController());
  markExplained();
  renderWhy();
  if (aloud && state.explanations.has(tag)) say(byId("why-words").textContent);
  if (state.explanations.has(tag) || !state.fresh) return;
  try {
    const answer = await call("/v1/explain", { record: record(), tags: [tag] }, mine.signal);
    if (mine.signal.aborted || !state.fresh) return;
    state.explanations.set(tag, answer.tags[0].words);
    renderWhy();
    if (aloud) say(byId("why-words").textContent);
  } catch (error) {
    if (mine.signal.aborted) return;
    byId("why-hint").textContent = trouble(error);
    if (aloud) say(trouble(error));
  }
}

/** @param {unknown} error */
function trouble(error) {
  if (isBusy(error)) return "The server is busy; choose the tag again in a moment.";
  if (error instanceof ServerError && error.status === 413) return "The text is too long to look for the words.";
  return "The words could not be found this time.";
}

function markExplained() {
  for (const button of document.querySelectorAll(".chip .why")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.tag === state.explained));
  }
}

export function renderWhy() {
  const tag = state.explained;
  const words = tag === null ? undefined : state.explanations.get(tag);
  const hint = byId("why-hint");
  byId("why-heading").textContent = tag === null ? "Why" : `Why ${tag}`;
  byId("why-words").hidden = words === undefined;
  hint.hidden = words !== undefined;
  if (words === undefined) {
    byId("legend").hidden = true;
    byId("preview").replaceChildren();
    hint.textContent = tag === null || !hasText() ? "Point at a tag, or choose it, to see the words that carried it." : "Looking for the words that carried it…";
    return;
  }
  const largest = Math.max(...words.map((w) => Math.abs(w.weight)), 1e-9);
  const carried = words.filter((w) => w.weight >= FAINT * largest).sort((a, b) => b.weight - a.weight).slice(0, 5);
  byId("why-words").textContent = carried.length ? `Carried most by ${carried.map((w) => `“${w.text}”`).join(", ")}.` : "No single word carried this tag.";
  byId("preview").replaceChildren(...state.features.map((name) => highlighted(name, words, largest)));
  byId("legend").hidden = !words.some((w) => w.weight <= -FAINT * largest);
}

/** The server counts characters as Python does, in code points. @param {string} name @param {Word[]} words @param {number} largest weight of all */
function highlighted(name, words, largest) {
  const points = Array.from(record()[name]);
  const line = element("p", { class: "text", dir: "auto" });
  let at = 0;
  for (const w of words.filter((word) => word.feature === name).sort((a, b) => a.start - b.start)) {
    if (w.start < at || Math.abs(w.weight) < FAINT * largest) continue;
    const mark = element("mark", { class: w.weight < 0 ? "against" : "for" }, [points.slice(w.start, w.end).join("")]);
    mark.style.setProperty("--weight", String(Math.abs(w.weight) / largest));
    line.append(points.slice(at, w.start).join(""), mark);
    at = w.end;
  }
  line.append(points.slice(at).join(""));
  return line;
}
