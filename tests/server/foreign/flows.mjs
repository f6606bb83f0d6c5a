// npm's openid-client goes through a flow against a server, as `node flows.mjs FOLDER FLOW CONFIGURATION`, where FOLDER holds
// node_modules. It prints a line of JSON for a human to act on, reads what came of it from stdin, and prints what it got.

import { createInterface } from 'node:readline/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [folder, flow, json] = process.argv.slice(2);
const require = createRequire(join(folder, 'index.js'));
const oauth = await import(pathToFileURL(require.resolve('openid-client')).href);
const given = JSON.parse(json);
const lines = createInterface({ input: process.stdin });
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const hear = async () => (await lines[Symbol.asyncIterator]().next()).value;

async function authenticate({ method, secret, key }) {
  if (method === 'none') return oauth.None();
  if (method === 'client_secret_post') return oauth.ClientSecretPost(secret);
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  return oauth.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', key, algorithm, false, ['sign']), kid: key.kid });
}

async function discover({ issuer, client_id, ...credentials }) {
  const options = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] };
  return oauth.discovery(new URL(issuer), client_id, {}, await authenticate(credentials), options);
}

const config = await discover(given);
const flows = {
  async client_credentials() {
    const tokens = await oauth.clientCredentialsGrant(config, { scope: 'read', resource: given.resource });
    const said = await oauth.tokenIntrospection(await discover(given.api), tokens.access_token);
    await oauth.tokenRevocation(config, tokens.access_token);
    say({ tokens, said });
  },
  async authorization_code() {
    const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
    const expectedState = oauth.randomState();
    const url = oauth.buildAuthorizationUrl(config, {
      redirect_uri: given.redirect_uri, scope: 'read write', state: expectedState, code_challenge_method: 'S256',
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
    });
    say(url.href);
    const tokens = await oauth.authorizationCodeGrant(config, new URL(await hear()), { pkceCodeVerifier, expectedState });
    const fresh = await oauth.refreshTokenGrant(config, tokens.refresh_token, { scope: 'read' });
    const reused = await oauth.refreshTokenGrant(config, fresh.refresh_token);
    say({ tokens, fresh, reused });
    await hear();
    await oauth.tokenRevocation(config, reused.refresh_token);
    const refused = await oauth.refreshTokenGrant(config, reused.refresh_token).catch(({ error, status }) => ({ error, status }));
    say({ refused });
  },
  async device() {
    const started = await oauth.initiateDeviceAuthorization(config, { scope: 'read' });
    say(started);
    const tokens = await oauth.pollDeviceAuthorizationGrant(config, started).catch(({ error }) => ({ error }));
    say({ tokens });
  },
};
await flows[flow]();
lines.close();
