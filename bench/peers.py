"""What the gate is measured beside: docker-registry itself, and nginx in front of it in three ways."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import yaml

from bench.certificate import Certificate
from bench.errors import BenchError
from bench.processes import Server, serving

DIRECT = "direct"


class Nginx(StrEnum):
    """nginx as it comes, tuned for large answers, and with its own cache."""

    DEFAULT = "nginx default"
    TUNED = "nginx tuned"
    CACHE = "nginx proxy_cache"


_LOCATIONS = {
    Nginx.DEFAULT: "",
    Nginx.TUNED: """
            proxy_buffers 16 64k;
            proxy_buffer_size 64k;
            proxy_busy_buffers_size 128k;
            proxy_max_temp_file_size 0;
            proxy_request_buffering off;""",
    Nginx.CACHE: """
            proxy_cache blobs;
            proxy_cache_valid 200 1h;
            proxy_cache_key $uri;
            proxy_ignore_headers Cache-Control Expires Vary;""",
}


def tool(name: str, package: str) -> str:
    """The path of a program. Raises `BenchError` where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise BenchError(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


@contextmanager
def docker_registry(folder: Path, port: int) -> Iterator[Server]:
    """docker-registry with its files in `folder`, and no log of requests."""
    folder.mkdir(parents=True)
    configuration = folder / "registry.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
                "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
            }
        )
    )
    command = [tool("docker-registry", "docker-registry"), "serve", str(configuration)]
    with serving(DIRECT, command, port, folder / "log", ready="/v2/") as server:
        yield server


@contextmanager
def nginx(kind: Nginx, folder: Path, port: int, upstream: Server, tls: Certificate | None = None) -> Iterator[Server]:
    """nginx in front of `upstream`, with keep-alive on both sides and one worker for each processor; over TLS if it is
    given a certificate.
    """
    folder.mkdir(parents=True)
    (folder / "cache").mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(kind, folder, port, upstream, tls))
    files = ["-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    command, trusted = [tool("nginx", "nginx-light"), *files], tls.trusted if tls else None
    with serving(kind, command, port, folder / "log", ready="/v2/", tls=trusted) as server:
        yield server


def _configuration(kind: Nginx, folder: Path, port: int, upstream: Server, tls: Certificate | None) -> str:
    modules = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {module}_temp_path {folder}/{module};\n" for module in modules)
    listen = f"listen 127.0.0.1:{port}{' ssl' if tls else ''};"
    if tls:
        listen += f" ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key}; ssl_protocols TLSv1.2 TLSv1.3;"
    return f"""
daemon off;
user root;
pid {folder}/pid;
worker_processes auto;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    proxy_cache_path {folder}/cache keys_zone=blobs:10m max_size=20g;
{temporary}
    upstream registry {{ server 127.0.0.1:{upstream.port}; keepalive 64; }}
    server {{
        {listen}
        location / {{
            proxy_pass http://registry;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;{_LOCATIONS[kind]}
        }}
    }}
}}
"""
