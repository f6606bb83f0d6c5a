"""The bytes of an answer, up to a limit, in any encoding (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import urllib3

from ..errors import UnavailableError

__all__ = ["ENCODINGS", "read_body"]

_CHUNK: Final = 65536
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS
#: What is asked for where an answer may be long.
ENCODINGS: Final = "gzip, deflate"


def read_body(response: urllib3.BaseHTTPResponse, url: str, max_bytes: int) -> bytes:
    """The decoded body.

    :raises UnavailableError: it has more than ``max_bytes`` bytes, before or after it was decoded, or it is encoded in a way
        that was not asked for, or badly.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    decode = _find_decoder(encoding)
    if decode is None:
        raise UnavailableError("encoded", f"{url} answered with an encoding that was not asked for")
    chunks, size = [], 0
    while chunk := response.read1(_CHUNK, decode_content=False):
        size += len(chunk)
        _check_size(size, url, max_bytes)
        chunks.append(chunk)
    try:
        data = decode(b"".join(chunks), max_bytes + 1)
    except (zlib.error, EOFError):
        raise UnavailableError("encoded", f"{url} answered with {encoding} that can't be decoded") from None
    _check_size(len(data), url, max_bytes)
    return data


def _find_decoder(encoding: str) -> Callable[[bytes, int], bytes] | None:
    if encoding in ("", "identity"):
        return lambda data, _most: data
    return {"gzip": _decode_gzip, "x-gzip": _decode_gzip, "deflate": _decode_deflate}.get(encoding)


def _decode_gzip(data: bytes, most: int) -> bytes:
    """One member after the other (RFC 1952 section 2.2). Zeros after the last one are padding."""
    decoded = b""
    while data and len(decoded) < most:
        decoder = zlib.decompressobj(_GZIP_BITS)
        decoded += _decode(decoder, data, most - len(decoded))
        data = decoder.unused_data.lstrip(b"\0")
    return decoded


def _decode_deflate(data: bytes, most: int) -> bytes:
    """The format zlib, as the RFC says, or a bare deflate stream, as some servers send."""
    if not data:
        return data
    try:
        return _decode(zlib.decompressobj(), data, most)
    except zlib.error:
        return _decode(zlib.decompressobj(-zlib.MAX_WBITS), data, most)


def _decode(decoder: Any, data: bytes, most: int) -> bytes:
    decoded: bytes = decoder.decompress(data, most)
    if not decoder.eof and len(decoded) < most:
        raise EOFError
    return decoded


def _check_size(size: int, url: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise UnavailableError("too_large", f"{url} answered with more than {max_bytes} bytes")
