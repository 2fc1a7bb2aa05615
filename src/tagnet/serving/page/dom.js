// @ts-check
// Elements of the page, found and made.

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} name @param {Record<string, string>} [attributes] @param {(Node | string)[]} [children]
 * @returns {any}
 */
export function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
