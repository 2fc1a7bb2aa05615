// @ts-check
// The author's answer: what was shown, what the author made of it, sent and stored.

import { byId } from "./dom.js";
import { call, isBusy, NoToken, ServerError } from "./server.js";
import { groups, hasText, record, state } from "./state.js";
import { say } from "./status.js";

/** How often anything was changed: an answer that was on its way meanwhile is not about what is there now. */
let changes = 0;

export function unsend() {
  changes += 1;
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
  return { record: asked, model_version: state.suggestedBy, shown, kept, added, removed, ...(comment && { comment }), ...(annotator && { annotator }) };
}

/** Whether the server has refused it: then the model may have changed, and the tags are to be asked for anew. */
export async function send() {
  if (state.sending || !state.fresh) return false;
  state.sending = true;
  byId("send").disabled = true;
  const mine = changes;
  try {
    await call("/v1/annotations", annotation());
    if (mine === changes) {
      byId("send").hidden = true;
      byId("again").hidden = false;
      byId("again").focus();
    }
    tell(mine === changes ? "Sent. Thank you." : "Sent, without what you have changed since.", false);
  } catch (error) {
    tell(isBusy(error) ? "The server is busy; send again in a moment." : error instanceof ServerError || error instanceof NoToken ? `Not stored. ${error.message}` : "The server cannot be reached; nothing was sent. Try again.", true);
    return error instanceof ServerError && error.status === 422;
  } finally {
    state.sending = false;
    byId("send").disabled = !(hasText() && state.fresh);
  }
  return false;
}

/** @param {string} text @param {boolean} wrong */
function tell(text, wrong) {
  byId("sent").hidden = false;
  byId("sent").dataset.state = wrong ? "error" : "idle";
  byId("sent").textContent = text;
  say(text);
}
