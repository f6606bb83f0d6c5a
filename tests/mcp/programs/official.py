"""A client on the official Python SDK: signs in, calls a tool, refreshes, and asks for a second scope.

Arguments: the URL of the endpoint, the redirect URI, how the client is registered (a client id, a URL, or "dynamic").
It prints each address for the browser after OPEN, reads the address at which the browser ended, and prints the results as JSON.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

URL, REDIRECT_URI, CLIENT = sys.argv[1:4]


class Storage:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def open_browser(url):
    print("OPEN", url, flush=True)


async def wait_for_answer():
    line = await asyncio.to_thread(sys.stdin.readline)
    query = {name: values[0] for name, values in parse_qs(urlsplit(line.strip()).query).items()}
    return AuthorizationCodeResult(**{name: query.get(name) for name in ("code", "state", "iss")})


async def main():
    storage = Storage()
    if not CLIENT.startswith("https://") and CLIENT != "dynamic":
        storage.client = OAuthClientInformationFull(
            client_id=CLIENT, redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none"
        )
    provider = OAuthClientProvider(
        server_url=URL,
        client_metadata=OAuthClientMetadata(
            client_name="Official SDK", redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none"
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=wait_for_answer,
        client_metadata_url=CLIENT if CLIENT.startswith("https://") else None,
    )
    found = {}
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        streamable_http_client(URL, http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        found["tools"] = [tool.name for tool in (await session.list_tools()).tools]
        found["first"] = (await session.call_tool("list_customers", {})).content[0].text
        before = storage.tokens.access_token
        provider.context.token_expiry_time = 1
        found["again"] = (await session.call_tool("list_customers", {})).content[0].text
        found["refreshed"] = storage.tokens.access_token != before
        found["scope"] = storage.tokens.scope
        charged = await session.call_tool("charge_customer", {"id": 1, "amount": "1.00"})
        found["charged"] = charged.content[0].text
        found["more"] = storage.tokens.scope
    found["client"] = storage.client.client_id
    print("DONE", json.dumps(found), flush=True)


asyncio.run(main())
