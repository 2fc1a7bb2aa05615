// @ts-check
// Search over names and aliases, as a combobox.

import { addTag } from "./decisions.js";
import { byId, element } from "./dom.js";
import { groups, state } from "./state.js";
import { say } from "./status.js";

/** @typedef {import("./state.js").Tag} Tag */

const SPEAKING_PAUSE_MS = 1200;
const MAX_OPTIONS = 8;

/** Which of the options the arrow keys have reached. */
let current = -1;

const flat = (/** @type {string} */ text) => text.toLowerCase().replace(/[-_\s]+/g, " ").trim();

/** @param {string} asked why nothing was found */
function nothingFound(asked) {
  const wanted = flat(asked);
  const named = groups().chosen.find((tag) => [tag, ...(state.tags.get(tag)?.aliases ?? [])].some((name) => flat(name) === wanted));
  return named === undefined ? "No tag has a name like that." : `${named} is chosen already.`;
}

/** @param {string} asked @returns {{tag: Tag, alias: string | null}[]} */
function find(asked) {
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

export function renderOptions() {
  const search = byId("search");
  const found = find(search.value);
  const list = byId("options");
  list.replaceChildren(
    ...found.map(({ tag, alias }, i) => {
      const note = alias ?? tag.parents.join(" · ");
      return element("li", { role: "option", id: `option-${i}`, "data-tag": tag.tag, "aria-selected": "false" }, [element("span", { dir: "auto" }, [tag.tag]), ...(note ? [element("small", {}, [alias ? ` also “${note}”` : ` in ${note}`])] : [])]);
    }),
  );
  const nothing = !found.length && search.value.trim() ? nothingFound(search.value) : "";
  byId("no-options").hidden = nothing === "";
  byId("no-options").textContent = nothing;
  if (nothing) say(nothing, SPEAKING_PAUSE_MS);
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
export function closeOptions(clear = false) {
  if (clear) byId("search").value = "";
  byId("options").hidden = true;
  byId("no-options").hidden = true;
  byId("options").replaceChildren();
  byId("search").setAttribute("aria-expanded", "false");
  point(-1);
}

/** @param {KeyboardEvent} event */
export function searchKey(event) {
  if (event.isComposing) return; // Enter and Escape belong to the input method
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
export function choose(tag) {
  closeOptions(true);
  addTag(tag, "author");
}
