"""Speaks HTTP/1.1 to a gate byte by byte, so that nothing between a test and the gate tidies a request up."""

import base64
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scanning.oci.digest import Digest
from tests.images import TestImage


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The first error of an OCI error body."""
        found: dict[str, Any] = self.json["errors"][0]
        return found

    @property
    def code(self) -> str:
        """Its OCI error code."""
        return str(self.error["code"])


@dataclass(frozen=True, slots=True)
class Wire:
    """A gate's port, and the token to send as Basic credentials ("" for none)."""

    port: int
    token: str = ""

    @property
    def authorization(self) -> dict[str, str]:
        """The header that goes with every request."""
        if not self.token:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(f"someone:{self.token}".encode()).decode()}

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """One request, with `target` exactly as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, target, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
            everything = {**self.authorization, **(headers or {})}
            if body is not None and "Transfer-Encoding" not in everything:
                everything.setdefault("Content-Length", str(len(body)))
            for name, value in everything.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """Send bytes and read until the gate closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def push_blob(self, repository: str, content: bytes) -> Digest:
        """Upload a blob in one request after another, as clients do."""
        digest = Digest.of(content)
        begun = self.send("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
        assert begun.status == 202, begun
        target = self.target(begun.headers["location"])
        joint = "&" if "?" in target else "?"
        done = self.send(
            "PUT", f"{target}{joint}digest={digest}", {"Content-Type": "application/octet-stream"}, content
        )
        assert done.status == 201, done
        return digest

    def push_blobs(self, repository: str, image: TestImage) -> None:
        """Upload everything an image refers to."""
        for content in image.blobs.values():
            self.push_blob(repository, content)

    def push_manifest(self, repository: str, reference: str, body: bytes, media_type: str) -> Answer:
        """PUT a manifest."""
        return self.send("PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": media_type}, body)

    def push(self, repository: str, reference: str, image: TestImage) -> Answer:
        """Push an image whole, the images it lists first."""
        for child in image.children:
            self.push(repository, str(child.digest), child)
        self.push_blobs(repository, image)
        return self.push_manifest(repository, reference, image.manifest, image.media_type)

    @staticmethod
    def target(location: str) -> str:
        """The path and query of a Location, absolute or not."""
        return "/" + location.split("/", 3)[3] if "://" in location else location
