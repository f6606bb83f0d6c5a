"""Debian's programs of a network, on loopback and in a folder of their own: tinyproxy, nginx, and a hosts file."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mcp.environments import give_up
from tests.services import find_program

__all__ = ["Proxy", "give_hosts", "run_nginx", "run_proxy"]

_START_SECONDS = 30

_TINYPROXY = """\
Port {port}
Listen 127.0.0.1
ConnectPort {connect_port}
BasicAuth ada s3cret
LogLevel Connect
LogFile "{folder}/tinyproxy.log"
"""

_NGINX = """\
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 64; }}
http {{
    log_format whole '$host $request_method $uri proxy-authorization=$http_proxy_authorization';
    access_log {folder}/nginx.log whole;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        location / {{
            proxy_pass {target};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A proxy that wants a password."""

    host: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://ada:s3cret@{self.host}"

    def read_tunnels(self) -> set[str]:
        """The hosts and ports that it was asked for."""
        lines = [line for line in self.log.read_text("utf-8", "replace").splitlines() if ": CONNECT " in line]
        return {line.partition(": CONNECT ")[2].split(" ")[0] for line in lines}


def give_hosts(folder: Path, names: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program for which a hosts file says the addresses of ``names``."""
    found = sorted(Path("/usr/lib").glob("*/libnss_wrapper.so"))
    if not found:
        give_up("libnss-wrapper is not installed")
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **names}.items()))
    return {"LD_PRELOAD": str(found[0]), "NSS_WRAPPER_HOSTS": str(hosts)}


@contextmanager
def run_proxy(folder: Path, port: int, *, connect_port: int, hosts: Mapping[str, str]) -> Iterator[Proxy]:
    """tinyproxy, which knows ``hosts`` and makes tunnels to one port only."""
    ini = folder / "tinyproxy.conf"
    ini.write_text(_TINYPROXY.format(port=port, connect_port=connect_port, folder=folder))
    with _run("tinyproxy", "-d", "-c", str(ini), port=port, environ=give_hosts(folder, hosts)):
        yield Proxy(f"127.0.0.1:{port}", folder / "tinyproxy.log")


@contextmanager
def run_nginx(folder: Path, port: int, *, certificate: Path, target: str) -> Iterator[Path]:
    """nginx with TLS in front of ``target``; gives its log."""
    ini = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    ini.write_text(_NGINX.format(user=user, folder=folder, port=port, certificate=certificate, target=target))
    with _run("nginx", "-e", str(folder / "nginx-error.log"), "-p", str(folder), "-c", str(ini), port=port):
        yield folder / "nginx.log"


@contextmanager
def _run(name: str, *options: str, port: int, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    program = find_program(name)
    assert program is not None
    process = subprocess.Popen(
        [program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(environ or {})}
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, f"{name} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{name} does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
