"""FastAPI with a security dependency around PyJWT's PyJWKClient."""

import json
import sys
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

OPTIONS = json.loads(sys.argv[1])
CUSTOMERS = {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}

app = FastAPI()
keys = jwt.PyJWKClient(OPTIONS["jwks_uri"], cooldown_duration=OPTIONS["cooldown"])


async def verify(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict:
    try:
        key = keys.get_signing_key_from_jwt(given.credentials)
        claims = jwt.decode(
            given.credentials,
            key.key,
            algorithms=["RS256"],
            audience=OPTIONS["audience"],
            issuer=OPTIONS["issuer"],
        )
    except jwt.exceptions.PyJWKClientConnectionError as error:
        raise HTTPException(503) from error
    except (jwt.exceptions.PyJWKClientError, jwt.InvalidTokenError) as error:
        raise HTTPException(401) from error
    if "customer_api" not in claims["scope"].split():
        raise HTTPException(403)
    return claims


@app.get("/open")
async def show_open() -> dict:
    return CUSTOMERS


@app.get("/local")
async def show_local(claims: Annotated[dict, Depends(verify)]) -> dict:
    return CUSTOMERS


uvicorn.run(app, host="127.0.0.1", port=OPTIONS["port"], access_log=False, log_level="critical", timeout_keep_alive=75)
