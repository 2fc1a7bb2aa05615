// @ts-check
// The tags, drawn anew whenever anything changes.

import { byId, element } from "./dom.js";
import { groups, hasText, logOdds, percent, reach, state } from "./state.js";

/** @param {string} tag @param {"remove" | "add" | "restore"} action */
function chip(tag, action) {
  const s = state.suggestions.get(tag);
  const why = element("button", { type: "button", class: "why", "data-tag": tag, "aria-pressed": String(state.explained === tag) });
  const parents = state.tags.get(tag)?.parents ?? [];
  if (parents.length) why.append(element("span", { class: "parents" }, [element("span", { class: "hidden" }, ["in "]), parents.join(" · "), element("span", { class: "hidden" }, [": "])]));
  why.append(element("span", { class: "name", dir: "auto" }, [tag]));
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

export function render() {
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
  byId("send").disabled = !(asText && state.fresh) || state.sending;
  if (focused) focusAgain(focused);
}

/** The chips are drawn anew; the focus goes to the same button, or to the tag wherever it moved. @param {HTMLElement} old */
function focusAgain(old) {
  const same = [...document.querySelectorAll(".chip button")].filter((b) => /** @type {HTMLElement} */ (b).dataset.tag === old.dataset.tag);
  const kind = old.classList.contains("why") ? ".why" : ".act";
  const next = same.find((b) => b.matches(kind)) ?? byId("tags");
  /** @type {HTMLElement} */ (next).focus({ preventScroll: true });
}
