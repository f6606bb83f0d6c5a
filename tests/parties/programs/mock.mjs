// npm's oauth2-mock-server, once for each issuer of ISSUERS (JSON: name -> issuer identifier). Started as `node mock.mjs FOLDER`,
// where FOLDER contains node_modules; prints the ports as JSON when all of them listen.
// A request's parameter `made` changes the header and the claims of the token: {"header": {…}, "claims": {…}}; null deletes a claim.
// Its parameter `opaque` is issued in place of a JWT. The userinfo endpoint knows the tokens that were issued, and no others.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.argv[2], 'index.js'));
const { OAuth2Server, Events } = await import(pathToFileURL(require.resolve('oauth2-mock-server')).href);

function change(token, request) {
  const made = JSON.parse(request.body.made ?? '{}');
  Object.assign(token.header, made.header);
  Object.assign(token.payload, made.claims);
  for (const [name, value] of Object.entries(token.payload)) if (value === null) delete token.payload[name];
}

const ports = {};
for (const [name, issuer] of Object.entries(JSON.parse(process.env.ISSUERS))) {
  const server = new OAuth2Server();
  const issued = new Set();
  await server.issuer.keys.generate('RS256', { kid: `${name}-key` });
  server.service.on(Events.BeforeTokenSigning, change);
  server.service.on(Events.BeforeResponse, (answer, request) => {
    if (request.body.opaque) answer.body.access_token = request.body.opaque;
    issued.add(answer.body.access_token);
  });
  server.service.on(Events.BeforeUserinfo, (answer, request) => {
    const known = issued.has((request.headers.authorization ?? '').slice('Bearer '.length));
    if (known) answer.body = { sub: 'johndoe', email: `johndoe@${name}.example` };
    else Object.assign(answer, { statusCode: 401, body: { error: 'invalid_token' } });
  });
  await server.start(0, '127.0.0.1');
  server.issuer.url = issuer;
  ports[name] = server.address().port;
}
process.stdout.write(`${JSON.stringify(ports)}\n`);
