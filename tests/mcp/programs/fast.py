"""A client on FastMCP: signs in, calls a tool, refreshes, and asks for a second scope. Arguments and lines as of official.py."""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

from fastmcp import Client
from fastmcp.client.auth import OAuth
from mcp.client.auth import AuthorizationCodeResult

URL, REDIRECT_URI, CLIENT = sys.argv[1:4]


class Auth(OAuth):
    async def redirect_handler(self, authorization_url):
        print("OPEN", authorization_url, flush=True)

    async def callback_handler(self):
        line = await asyncio.to_thread(sys.stdin.readline)
        query = {name: values[0] for name, values in parse_qs(urlsplit(line.strip()).query).items()}
        return AuthorizationCodeResult(**{name: query.get(name) for name in ("code", "state", "iss")})


async def main():
    known = {}
    if CLIENT.startswith("https://"):
        known["client_metadata_url"] = CLIENT
    elif CLIENT != "dynamic":
        known["client_id"] = CLIENT
    auth = Auth(
        URL,
        callback_host="127.0.0.1",
        callback_port=urlsplit(REDIRECT_URI).port,
        additional_client_metadata={"token_endpoint_auth_method": "none"},
        **known,
    )
    found = {}
    async with Client(URL, auth=auth) as client:
        found["tools"] = [tool.name for tool in await client.list_tools()]
        found["first"] = (await client.call_tool("list_customers", {})).content[0].text
        before = auth.context.current_tokens.access_token
        auth.context.token_expiry_time = 1
        found["again"] = (await client.call_tool("list_customers", {})).content[0].text
        found["refreshed"] = auth.context.current_tokens.access_token != before
        found["scope"] = auth.context.current_tokens.scope
        found["charged"] = (await client.call_tool("charge_customer", {"id": 1, "amount": "1.00"})).content[0].text
        found["more"] = auth.context.current_tokens.scope
    found["client"] = auth.context.client_info.client_id
    print("DONE", json.dumps(found), flush=True)


asyncio.run(main())
