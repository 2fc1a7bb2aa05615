// @ts-check
// What the author changes: tags added, removed and put back, and the slider.

import { unsend } from "./answer.js";
import { render } from "./chips.js";
import { byId } from "./dom.js";
import { count, groups, isAccepted, reach, state } from "./state.js";
import { say } from "./status.js";

/** @param {string} tag @param {"model" | "author"} source */
export function addTag(tag, source) {
  const s = state.suggestions.get(tag);
  if (s && isAccepted(s)) state.decisions.delete(tag);
  else state.decisions.set(tag, { kind: "added", source });
  unsend();
  render();
  say(`${tag} added`);
}

/** @param {string} tag */
export function removeTag(tag) {
  if (state.decisions.get(tag)?.kind === "added") state.decisions.delete(tag);
  else state.decisions.set(tag, { kind: "removed", source: "model" });
  unsend();
  render();
  say(`${tag} removed`);
}

/** @param {string} tag */
export function restoreTag(tag) {
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

export function reachChanged() {
  const words = reachInWords(reach());
  byId("reach-text").textContent = words;
  unsend();
  render();
  byId("reach").setAttribute("aria-valuetext", `${words}, ${count(groups().chosen.length)}`);
}
