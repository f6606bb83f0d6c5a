// A certified OpenID provider that is not ours, for the command to talk to. In memory, on loopback, any name and password.
// Started as `node server.mjs FOLDER`, where FOLDER holds node_modules; prints its issuer when it listens.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const require = createRequire(join(process.argv[2], 'index.js'));
const { Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const API = 'urn:example:api'; // tokens for it are JWTs; without a resource they are opaque
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const configuration = {
  clients: [
    {
      client_id: 'machine', client_secret: 'machine secret: +&%', // RFC 6749 appendix B has to be applied to it
      grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    },
    {
      client_id: 'cli', token_endpoint_auth_method: 'none', application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', DEVICE],
      redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
    },
    {
      client_id: 'desk', client_secret: 'desk-secret-desk-secret', token_endpoint_auth_method: 'client_secret_post',
      application_type: 'native', grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['http://127.0.0.1/callback'],
    },
    { client_id: 'plain', token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: ['http://127.0.0.1/callback'] },
  ],
  scopes: ['openid', 'offline_access', 'profile', 'read', 'write'],
  claims: { profile: ['name', 'preferred_username'] },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  cookies: { keys: ['not a secret in a test'] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo(_ctx, indicator) {
        if (indicator !== API) throw new errors.InvalidTarget();
        return { scope: 'read write', audience: API, accessTokenFormat: 'jwt', accessTokenTTL: 600 };
      },
    },
  },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Name of ${id}`, preferred_username: id }) }),
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { AccessToken: Number(process.env.ACCESS_TOKEN_TTL ?? 600), ClientCredentials: 600, DeviceCode: Number(process.env.DEVICE_TTL ?? 60) },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  process.stdout.write(`${issuer}\n`);
});
