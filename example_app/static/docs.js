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
  // Swagger UI gives these buttons no name for screen readers, and this line can't be scrolled by keyboard.
  const mend = () => {
    for (const each of place.querySelectorAll(".close-modal")) each.setAttribute("aria-label", "Close");
    for (const each of place.querySelectorAll(".copy-to-clipboard button")) each.setAttribute("aria-label", "Copy");
    for (const each of place.querySelectorAll("pre.curl")) each.setAttribute("tabindex", "0");
  };
  new MutationObserver(mend).observe(place, { childList: true, subtree: true });
  ui.initOAuth({
    clientId: place.dataset.client,
    scopes: "customer_api",
    usePkceWithAuthorizationCodeGrant: true,
  });
});
