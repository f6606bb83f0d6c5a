// Express with express-oauth2-jwt-bearer, which finds the keys by discovery or is told where they are.
const express = require("express");
const { auth, requiredScopes } = require("express-oauth2-jwt-bearer");

const options = JSON.parse(process.argv[2]);
const customers = { customers: [{ id: 1, name: "Ada", balance: "12.50" }] };

const app = express();
const local = auth({
  issuer: options.issuer,
  jwksUri: options.jwks_uri,
  audience: options.audience,
  cooldownDuration: options.cooldown * 1000,
});

app.get("/open", (request, response) => response.json(customers));
app.get("/local", local, requiredScopes("customer_api"), (request, response) => response.json(customers));
app.use((error, request, response, next) => response.status(error.status || 503).json({}));

app.listen(options.port, "127.0.0.1").keepAliveTimeout = 75000;
