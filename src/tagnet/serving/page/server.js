// @ts-check
// Asking the server, and the token where it asks for one.

import { byId } from "./dom.js";

const TOKEN_KEY = "tagnet-token";

export class ServerError extends Error {
  /** @param {number} status @param {string} message @param {number} retryAfter seconds */
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** @param {any} body @returns {string} */
function messageOf(body) {
  if (typeof body?.error?.message === "string") return body.error.message;
  if (typeof body?.detail === "string") return body.detail;
  if (Array.isArray(body?.detail)) return body.detail.map((/** @type {any} */ d) => d.msg).join("; ");
  return "";
}

/** @param {unknown} error */
export const isBusy = (error) => error instanceof ServerError && (error.status === 429 || error.status === 503);

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
  tokenAsked ??= new Promise((resolve) => {
    byId("token-wrong").hidden = !refused;
    byId("token").value = "";
    const dialog = byId("token-dialog");
    dialog.addEventListener("cancel", (/** @type {Event} */ e) => e.preventDefault());
    byId("token-form").onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      sessionStorage.setItem(TOKEN_KEY, byId("token").value.trim());
      dialog.close();
      tokenAsked = null;
      resolve();
    };
    dialog.showModal();
  });
  return tokenAsked;
}
