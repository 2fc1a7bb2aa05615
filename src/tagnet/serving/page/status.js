// @ts-check
// The line under the text: what the page is doing, in words, also for screen readers.

import { byId } from "./dom.js";
import { isBusy, NoToken, ServerError } from "./server.js";

/** @param {"idle" | "loading" | "waiting" | "error"} name @param {string} text @param {boolean} [aloud] */
export function showState(name, text, aloud = false) {
  byId("state").dataset.state = name;
  byId("state-text").textContent = text;
  if (aloud) say(text);
}

let speaking = 0;

/** Say it once the author has paused, so that typing is not talked over. @param {string} text @param {number} [pause] */
export function say(text, pause = 0) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { byId("live").textContent = text; }, pause);
}

let retrying = 0;

/** @param {() => void} again @param {number} seconds */
function retryIn(seconds, again) {
  clearInterval(retrying);
  let left = Math.ceil(seconds);
  const tick = () => {
    if (left <= 0) { clearInterval(retrying); again(); return; }
    byId("state-text").textContent = `The server is busy. Trying again in ${left} s.`;
    left -= 1;
  };
  showState("waiting", "");
  say("The server is busy. Trying again soon.");
  retrying = setInterval(tick, 1000);
  tick();
}

/** @param {unknown} error @param {() => void} again what to do once the server can be reached */
export function showTrouble(error, again) {
  if (error instanceof ServerError && isBusy(error)) return retryIn(error.retryAfter, again);
  if (error instanceof ServerError) {
    const what = error.status === 413 ? "The text is too long:" : error.status >= 500 ? "That went wrong:" : "The server could not use this:";
    return showState("error", `${what} ${error.message || `status ${error.status}.`}`, true);
  }
  if (error instanceof NoToken) return showState("error", error.message, true);
  showState("error", "The server cannot be reached. Your text is safe; trying again when it is back.", true);
  clearInterval(retrying);
  retrying = setInterval(() => { clearInterval(retrying); again(); }, 5000);
}

export const stopRetrying = () => clearInterval(retrying);
