// A client on the official TypeScript SDK: signs in, calls a tool, refreshes, and asks for a second scope.
// Arguments and lines as of official.py.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, redirectUri, client] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { UnauthorizedError } = await load("client/auth.js");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const byDocument = client.startsWith("https://");
const kept = { client: byDocument || client === "dynamic" ? undefined : { client_id: client } };

const provider = {
  redirectUrl: redirectUri,
  clientMetadataUrl: byDocument ? client : undefined,
  clientMetadata: {
    client_name: "TypeScript SDK",
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => "st4te",
  clientInformation: () => kept.client,
  saveClientInformation: (found) => { kept.client = found; },
  tokens: () => kept.tokens,
  saveTokens: (found) => { kept.tokens = found; },
  redirectToAuthorization: (address) => { console.log("OPEN", String(address)); },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
};

async function finish(transport) {
  const { value } = await lines.next();
  const found = new URL(value.trim()).searchParams;
  await transport.finishAuth(found.get("code"));
}

async function connect() {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  const session = new Client({ name: "test", version: "1" });
  await session.connect(transport);
  return { session, transport };
}

async function signIn() {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  try {
    await new Client({ name: "test", version: "1" }).connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await finish(transport);
  }
  return connect();
}

const call = async (session, name, args) => (await session.callTool({ name, arguments: args })).content[0].text;

const found = {};
const { session, transport } = await signIn();
found.tools = (await session.listTools()).tools.map((tool) => tool.name);
found.first = await call(session, "list_customers", {});
const before = kept.tokens.access_token;
kept.tokens = { ...kept.tokens, access_token: "expired" };
found.again = await call(session, "list_customers", {});
found.refreshed = ![before, "expired"].includes(kept.tokens.access_token);
found.scope = kept.tokens.scope;
// This version refreshes where it should ask the user for more, so a program on it drops the refresh token first.
delete kept.tokens.refresh_token;
try {
  found.charged = await call(session, "charge_customer", { id: 1, amount: "1.00" });
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await finish(transport);
  found.charged = await call(session, "charge_customer", { id: 1, amount: "1.00" });
}
found.more = kept.tokens.scope;
found.client = kept.client?.client_id ?? client;
console.log("DONE", JSON.stringify(found));
process.exit(0);
