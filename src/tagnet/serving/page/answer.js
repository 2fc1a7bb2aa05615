// @ts-check
// The author's answer: what was shown, what the author made of it, sent and stored.

import { byId } from "./dom.js";
import { call, isBusy, ServerError } from "./server.js";
import { groups, hasText, record, state } from "./state.js";
import { say } from "./status.js";

export function unsend() {
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
  return { record: record(), shown, kept, added, removed, ...(comment && { comment }), ...(annotator && { annotator }) };
}

export async function send() {
  if (state.sending || !state.fresh) return;
  state.sending = true;
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
    const text = isBusy(error) ? "The server is busy; send again in a moment." : error instanceof ServerError ? `Not stored. ${error.message}` : "The server cannot be reached; nothing was sent. Try again.";
    byId("sent").hidden = false;
    byId("sent").textContent = text;
    say(text);
  } finally {
    state.sending = false;
    byId("send").disabled = !(hasText() && state.fresh);
  }
}
