// npm's oidc-provider, whose access tokens are JWTs for one API and opaque for another. Started as `node certified.mjs FOLDER`,
// where FOLDER contains node_modules, with its issuer in ISSUER; prints its port when it listens.
// A request's parameter `made` changes the header and the claims of the JWT: {"header": {…}, "claims": {…}}.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.argv[2], 'index.js'));
const { Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const APIS = { 'urn:api:certified': 'jwt', 'urn:api:certified-opaque': 'opaque' };
const client = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

const provider = new Provider(process.env.ISSUER, {
  clients: [
    { client_id: 'machine', client_secret: 'certified-machine-secret', ...client },
    { client_id: 'api', client_secret: 'certified-api-secret', ...client },
  ],
  scopes: ['read', 'write'],
  cookies: { keys: ['not a secret in a test'] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx, indicator) {
        if (!(indicator in APIS)) throw new errors.InvalidTarget();
        return { scope: 'read write', audience: indicator, accessTokenFormat: APIS[indicator], accessTokenTTL: 600 };
      },
    },
  },
  formats: {
    customizers: {
      jwt(ctx, _token, jwt) {
        const made = JSON.parse(ctx.oidc.body?.made ?? '{}');
        jwt.header = { ...jwt.header, ...made.header };
        Object.assign(jwt.payload, made.claims);
      },
    },
  },
});

const makeId = provider.ClientCredentials.prototype.generateTokenId;
provider.ClientCredentials.prototype.generateTokenId = function generateTokenId() {
  return `op_${makeId.call(this)}`;
};

provider.proxy = true; // it may be behind one that speaks TLS
const server = createServer(provider.callback());
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
