// @ts-check
// The model that is served: its tags, and a field for each text that it reads. It may change while the page is open.

import { byId, element } from "./dom.js";
import { call } from "./server.js";
import { record, state } from "./state.js";

/** @typedef {import("./state.js").Tag} Tag */

/** @param {string} name */
function field(name) {
  const id = `feature-${name}`;
  const words = name.replace(/[_-]+/g, " ");
  const short = /^(title|name|heading|subject)$/i.test(name);
  const input = short ? element("input", { id, type: "text", dir: "auto" }) : element("textarea", { id, rows: "6", dir: "auto" });
  return [element("label", { for: id }, [words.charAt(0).toUpperCase() + words.slice(1)]), input];
}

/**
 * Take what the server says of its model. What the author has written stays, and so do the decisions on tags that
 * are left.
 * @returns {Promise<{changed: boolean, gone: string[]}>} whether it is another model, and which of the tags that the
 *   author had added it does not have
 */
export async function takeModel() {
  const labels = await call("/v1/labels");
  const changed = labels.model_version !== state.version;
  if (labels.features.join("\n") !== state.features.join("\n")) takeFeatures(labels.features);
  state.tags = new Map(labels.tags.map((/** @type {Tag} */ tag) => [tag.tag, tag]));
  state.version = labels.model_version;
  state.annotations = labels.annotations;
  if (changed) state.explanations.clear();
  byId("model").textContent = `${labels.tags.length} tags · model ${labels.model_version.slice(0, 12)}`;
  byId("model").title = labels.model_version;
  byId("answer").hidden = !state.annotations;
  const unknown = [...state.decisions].filter(([tag]) => !state.tags.has(tag));
  for (const [tag] of unknown) state.decisions.delete(tag);
  if (state.explained !== null && !state.tags.has(state.explained)) state.explained = null;
  return { changed, gone: unknown.filter(([, decision]) => decision.kind === "added").map(([tag]) => tag) };
}

/** Fields of these names; a text whose field is gone goes to the last one. @param {string[]} features */
function takeFeatures(features) {
  const texts = record();
  const homeless = state.features.filter((name) => !features.includes(name)).map((name) => texts[name]);
  state.features = features;
  byId("record").replaceChildren(...features.flatMap(field));
  for (const name of features) byId(`feature-${name}`).value = texts[name] ?? "";
  const last = byId(`feature-${features[features.length - 1]}`);
  last.value = [last.value, ...homeless].filter((text) => text.trim() !== "").join("\n");
}
