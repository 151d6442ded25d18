// Shows openapi.json with Swagger UI. "Authorize" takes a token, to try requests out; the page itself signs nobody in.

const { SwaggerUIBundle } = /** @type {any} */ (window);

document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
SwaggerUIBundle({
  domNode: document.getElementById("api"),
  url: "openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  // Otherwise Swagger UI asks a server of its own.
  validatorUrl: null,
});
