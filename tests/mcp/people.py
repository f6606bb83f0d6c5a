"""The user of the example, who signs in and allows what a program asks for, as a browser without script would."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import urllib3

_MOST_STEPS = 12


class _Form(HTMLParser):
    """The last form of a page: where it goes, and what it sends with everything ticked that was shown ticked."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action, self.fields = found.get("action") or "", {}
        name = found.get("name")
        if tag == "input" and name and (found.get("type") != "checkbox" or "checked" in found):
            self.fields[name] = found.get("value") or ("on" if found.get("type") == "checkbox" else "")


class Person:
    """Keeps cookies; knows the password of the demo."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=30)
        self._cookies: dict[str, str] = {}
        self.pages: list[str] = []

    def allow(self, url: str, redirect_uri: str) -> str:
        """The address at which the browser ends: that of the program, which is not asked."""
        method, fields = "GET", None
        for _step in range(_MOST_STEPS):
            if url.startswith(redirect_uri):
                return url
            answer = self._send(method, url, fields)
            if 300 <= answer.status < 400:
                url, method, fields = urljoin(url, answer.headers["Location"]), "GET", None
                continue
            page = answer.data.decode()
            self.pages.append(page)
            url, fields = self._fill_in(url, page)
            method = "POST"
        raise AssertionError(f"no end: {url}")

    def _fill_in(self, url: str, page: str) -> tuple[str, dict[str, str]]:
        form = _Form()
        # Other forms, such as that for signing out, come first.
        form.feed(page)
        assert form.action is not None, unescape(re.sub(r"<[^>]*>", " ", page))
        known = {"name": "demo", "password": "demo"} if "password" in form.fields else {"decision": "allow"}
        return urljoin(url, form.action) if form.action else url, {**form.fields, **known}

    def _send(self, method: str, url: str, fields: Any) -> urllib3.BaseHTTPResponse:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        options = {"headers": headers, "redirect": False}
        if fields is None:
            answer = self._pool.request(method, url, **options)
        else:
            answer = self._pool.request(method, url, fields=fields, encode_multipart=False, **options)
        for cookie in answer.headers.getlist("Set-Cookie"):
            name, _equals, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer
