// @ts-check
// Asking the server, and the token where it asks for one.

import { byId } from "./dom.js";

const TOKEN_KEY = "tagnet-token";
const IN_A_HEADER = /^[!-~]+$/;
/** Too many requests, a stop, or a proxy whose server is being started anew. */
const BUSY = new Set([429, 502, 503, 504]);

export class ServerError extends Error {
  /** @param {number} status @param {string} message @param {number} retryAfter seconds */
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The author was asked for a token and gave none. */
export class NoToken extends Error {}

/** @param {any} body @returns {string} */
function messageOf(body) {
  if (typeof body?.error?.message === "string") return body.error.message;
  if (typeof body?.detail === "string") return body.detail;
  if (Array.isArray(body?.detail)) return body.detail.map((/** @type {any} */ d) => d.msg).join("; ");
  return "";
}

/** @param {unknown} error */
export const isBusy = (error) => error instanceof ServerError && BUSY.has(error.status);

/**
 * @param {string} path @param {unknown} [body] @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function call(path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.status === 401) {
    await askForToken(token !== null);
    signal?.throwIfAborted();
    return call(path, body, signal);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  throw new ServerError(response.status, messageOf(answer), Number(response.headers.get("Retry-After")) || 2);
}

let tokenAsked = /** @type {Promise<void> | null} */ (null);

/** One dialog, however many requests were refused. @param {boolean} refused whether a token was sent and refused. */
function askForToken(refused) {
  tokenAsked ??= new Promise((resolve, reject) => {
    const dialog = byId("token-dialog");
    byId("token").value = "";
    byId("token-wrong").hidden = true;
    let given = false;
    byId("token-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const token = byId("token").value.trim();
      // What no header can carry is no token, and the server need not be asked.
      byId("token-wrong").hidden = IN_A_HEADER.test(token);
      if (!IN_A_HEADER.test(token)) return;
      sessionStorage.setItem(TOKEN_KEY, token);
      given = true;
      dialog.close();
    };
    // Escape closes it too; whoever types on is asked again.
    dialog.onclose = () => {
      tokenAsked = null;
      if (given) resolve();
      else reject(new NoToken("This server asks for a token. Load the page again, or type on, to enter it."));
    };
    dialog.showModal();
    byId("token-wrong").hidden = !refused;
  });
  return tokenAsked;
}
