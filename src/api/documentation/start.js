// Shows the document that is served beside this page. Addresses are relative to the page, for bellhop may be
// below a path of a proxy's. No validator is asked: that would be somebody else's server.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
