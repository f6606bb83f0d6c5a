"use strict";
// Swagger UI with the API's document. It reads no settings from the address, and forgets tokens when the page is left.
window.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("swagger-ui");
  const ui = SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    oauth2RedirectUrl: place.dataset.redirect,
    persistAuthorization: false,
    queryConfigEnabled: false,
    tryItOutEnabled: true,
    validatorUrl: null,
  });
  ui.initOAuth({
    clientId: place.dataset.client,
    scopes: "customer_api",
    usePkceWithAuthorizationCodeGrant: true,
  });
});
