// Shows openapi.json to people. All values become text, so that nothing in the document can become markup.

/** @type {any} */
let api;

/** Creates an element.
 * @param {string} name @param {Record<string, string>} attributes @param {(Node | string)[]} children */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** @param {any} schema */
function resolved(schema) {
  return schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;
}

/** Describes a schema in a few words.
 * @param {any} schema @returns {string} */
function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(kind).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items) || "anything"}`;
  const words = [[schema.type ?? "anything"].flat().filter((type) => type !== "null").join(" or ")];
  if (schema.format) words.push(`(${schema.format})`);
  if (schema.enum) words.push(`: ${schema.enum.filter((/** @type {any} */ value) => value !== null).join(", ")}`);
  if (schema.minimum !== undefined && schema.maximum !== undefined) words.push(`from ${schema.minimum} to ${schema.maximum}`);
  if (schema.maxLength !== undefined) words.push(`of at most ${schema.maxLength} characters`);
  if (schema.maxItems !== undefined) words.push(`of at most ${schema.maxItems}`);
  return words.join(" ");
}

/** Creates the table of a schema's fields. Nested schemas open at a click, because a schema may contain itself.
 * @param {any} schema @returns {Node[]} */
function parts(schema) {
  const whole = resolved(schema) ?? {};
  const choices = (whole.oneOf ?? whole.anyOf ?? []).filter((/** @type {any} */ choice) => choice.type !== "null");
  if (choices.length) return choices.map((/** @type {any} */ choice) => opening(kind(choice), choice));
  if (whole.type === "array") return parts(whole.items);
  if (!whole.properties) return [];
  const required = new Set(whole.required ?? []);
  const rows = Object.entries(whole.properties).map(([name, property]) => element("tr", {},
    element("td", {}, element("code", {}, name), required.has(name) ? " (required)" : ""),
    element("td", {}, kind(property)),
    element("td", {}, property.description ?? resolved(property)?.description ?? "", ...deeper(property))));
  return [table(["Field", "Type", "Meaning"], rows)];
}

/** @param {any} property */
function deeper(property) {
  const inside = property.oneOf?.find((/** @type {any} */ choice) => choice.$ref) ?? property;
  const items = resolved(inside)?.type === "array" ? resolved(inside).items : inside;
  return resolved(items)?.properties ? [opening(kind(items), items)] : [];
}

/** @param {string} title @param {any} schema */
function opening(title, schema) {
  const made = element("details", {}, element("summary", {}, title || "Fields"));
  made.addEventListener("toggle", () => made.append(...parts(schema)), { once: true });
  return made;
}

/** @param {string[]} titles @param {Node[]} rows */
function table(titles, rows) {
  const head = element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

/** @param {any} content */
function bodies(content) {
  return Object.entries(content ?? {}).flatMap(([type, { schema }]) =>
    [element("p", {}, element("code", {}, type), " ", kind(schema)), ...parts(schema)]);
}

/** @param {string} method @param {string} path @param {any} operation */
function route(method, path, operation) {
  const made = element("article", { id: operation.operationId },
    element("h3", {}, operation.summary ?? operation.operationId),
    element("p", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, operation.description ?? ""));
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    made.append(element("h4", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], parameters.map((/** @type {any} */ each) => element("tr", {},
      element("td", {}, element("code", {}, each.name), each.required ? " (required)" : ""),
      element("td", {}, each.in), element("td", {}, kind(each.schema)), element("td", {}, each.description ?? "")))));
  }
  if (operation.requestBody) made.append(element("h4", {}, "Body"), ...bodies(operation.requestBody.content));
  made.append(element("h4", {}, "Answers"));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const isProblem = Object.keys(answer.content ?? {}).includes("application/problem+json");
    made.append(element("p", {}, element("strong", {}, status), " ", answer.description), ...(isProblem ? [] : bodies(answer.content)));
  }
  return made;
}

async function show() {
  const routes = /** @type {HTMLElement} */ (document.querySelector("#routes"));
  const contents = /** @type {HTMLElement} */ (document.querySelector("#contents"));
  const answer = await fetch("openapi.json");
  if (!answer.ok) {
    routes.replaceChildren(element("p", {}, `The document could not be loaded (${answer.status}). Reload the page to try again.`));
    return;
  }
  api = await answer.json();
  /** @type {HTMLElement} */ (document.querySelector("#description")).textContent = api.info.description;
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
  routes.replaceChildren();
  for (const tag of api.tags) {
    const own = all.filter(({ operation }) => operation.tags?.includes(tag.name));
    contents.append(element("h2", {}, tag.name), element("ul", {}, ...own.map(({ operation }) =>
      element("li", {}, element("a", { href: `#${operation.operationId}` }, operation.summary ?? operation.operationId)))));
    routes.append(element("section", {}, element("h2", {}, tag.name), element("p", {}, tag.description),
      ...own.map(({ method, path, operation }) => route(method, path, operation))));
  }
}

show();
