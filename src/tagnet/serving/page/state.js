// @ts-check
// What the page knows, and what follows from it: which tags are chosen, and how sure the model is of each.

import { byId } from "./dom.js";

/** @typedef {{tag: string, probability: number, threshold: number, accepted: boolean}} Suggestion */
/** @typedef {{tag: string, threshold: number, aliases: string[], parents: string[], train_count: number}} Tag */
/** @typedef {{feature: string, start: number, end: number, text: string, weight: number}} Word */
/** @typedef {{kind: "added" | "removed", source: "model" | "author"}} Decision */

const MAX_MAYBE = 6;
const MAYBE_LOG_ODDS = 2.5;

export const state = {
  features: /** @type {string[]} */ ([]),
  tags: /** @type {Map<string, Tag>} */ (new Map()),
  suggestions: /** @type {Map<string, Suggestion>} */ (new Map()),
  decisions: /** @type {Map<string, Decision>} */ (new Map()),
  explained: /** @type {string | null} */ (null),
  explanations: /** @type {Map<string, Word[]>} */ (new Map()),
  /** Of the model that `tags` and `features` are of. */
  version: "",
  /** The model that the suggestions are of; it may have been replaced since. */
  suggestedBy: "",
  annotations: false,
  /** The record's, where the page's address names one. */
  id: /** @type {string | null} */ (null),
  /** Whether the suggestions are of the text as it stands. */
  fresh: false,
  sending: false,
};

/** @param {number} p */
export function logOdds(p) {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, p));
  return Math.log(inside / (1 - inside));
}

/** How far the slider lowers every threshold, in log-odds. */
export const reach = () => Number(byId("reach").value);

/** @param {Suggestion} s log-odds by which the tag clears its moved threshold. */
export const margin = (s) => logOdds(s.probability) - logOdds(s.threshold) + reach();

/** @param {Suggestion} s the server's own decision stands while the slider is in the middle. */
export const isAccepted = (s) => (reach() === 0 ? s.accepted : margin(s) >= 0);

/** The tags on the page, by group; each in falling probability. */
export function groups() {
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

/** @returns {Record<string, string>} */
export const record = () => Object.fromEntries(state.features.map((name) => [name, byId(`feature-${name}`).value]));

export const hasText = () => Object.values(record()).some((text) => text.trim() !== "");

/** @param {number} n */
export const count = (n) => (n === 1 ? "1 tag" : `${n} tags`);

/** @param {number} p */
export const percent = (p) => (p < 0.01 ? "<1%" : p > 0.99 ? ">99%" : `${Math.round(100 * p)}%`);
