"use strict";
// Hands the answer of the authorization server (RFC 6749 section 4.1.2) to the Swagger UI that opened this window.
(() => {
  let waiting;
  try {
    waiting = window.opener && window.opener.swaggerUIRedirectOauth2;
  } catch {
    return; // a page of another site opened this one
  }
  if (!waiting) return;
  const answer = new URLSearchParams(window.location.search);
  const fail = (message) =>
    waiting.errCb({ authId: waiting.auth.name, source: "auth", level: "error", message });
  if (!waiting.state || answer.get("state") !== waiting.state) {
    fail("The answer is not for this sign-in: its state is another one.");
  } else if (answer.get("code")) {
    delete waiting.state;
    waiting.auth.code = answer.get("code");
    waiting.callback({ auth: waiting.auth, redirectUrl: waiting.redirectUrl });
  } else {
    fail(answer.get("error_description") || answer.get("error") || "The answer has no code.");
  }
  window.close();
})();
