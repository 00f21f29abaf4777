"""Runs Helm with an API server on loopback that has only the given objects, for `lookup` in templates.

A separate process without imports of the bot:

    python -I -S lookup_server.py PROGRAM ARGUMENT...

It reads the server's content from standard input (JSON, see Content in lookup.py) and exits with the
program's status. Only the program gets the address of the server.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import subprocess
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Object = dict[str, Any]


def main() -> int:
    content = json.load(sys.stdin)
    token = secrets.token_urlsafe(32)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(content, token))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Kubernetes clients send no credentials without TLS, so the token is a part of the address.
    environment = {**os.environ, "HELM_KUBEAPISERVER": f"http://127.0.0.1:{server.server_port}/{token}"}
    command = sys.argv[1:]
    code = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    return code if code >= 0 else 128 - code


def _handler(content: Object, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that http.server calls
            given, _, path = self.path.partition("?")[0].lstrip("/").partition("/")
            if hmac.compare_digest(given.encode(), token.encode()):
                answer = respond(content, path)
            else:
                answer = _status(HTTPStatus.UNAUTHORIZED, "Unauthorized")
            body = json.dumps(answer).encode()
            self.send_response(answer["code"] if answer["kind"] == "Status" else HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Standard error belongs to the program."""

    return Handler


def respond(content: Object, path: str) -> Object:
    """The answer to a GET request: discovery, a list, an object, or Status 404. Pure."""
    match path.strip("/").split("/"):
        case ["version"]:
            major, minor = content["version"].lstrip("v").split(".")[:2]
            return {"kind": "Info", "gitVersion": content["version"], "major": major, "minor": minor}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(content)}
        case ["api", version] if version in content["kinds"]:
            return _resources(content, version)
        case ["apis", group, version]:
            return _resources(content, f"{group}/{version}")
        case ["api", version, *rest]:
            return _read(content, version, rest)
        case ["apis", group, version, *rest]:
            return _read(content, f"{group}/{version}", rest)
        case _:
            return _status(HTTPStatus.NOT_FOUND, "NotFound")


def _groups(content: Object) -> list[Object]:
    groups: dict[str, list[Object]] = {}
    for api_version in content["kinds"]:
        group, slash, version = api_version.partition("/")
        if slash:
            groups.setdefault(group, []).append({"groupVersion": api_version, "version": version})
    return [
        {"name": group, "versions": versions, "preferredVersion": versions[0]}
        for group, versions in groups.items()
    ]


def _resources(content: Object, api_version: str) -> Object:
    """Kinds under their name in lower case, as plurals are nowhere needed; none for an unknown version."""
    kinds = content["kinds"].get(api_version, ())
    resources = [
        {"name": kind.lower(), "kind": kind, "namespaced": True, "verbs": ["get", "list"]} for kind in kinds
    ]
    return {"kind": "APIResourceList", "groupVersion": api_version, "resources": resources}


def _read(content: Object, api_version: str, rest: list[str]) -> Object:
    """The objects of a namespace or of all, or one of them. Status 404 for none, as without a cluster."""
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    objects = [
        candidate
        for candidate in content["objects"]
        if candidate["apiVersion"] == api_version
        and candidate["kind"].lower() == rest[0]
        and namespace in (None, candidate["metadata"]["namespace"])
    ]
    if objects and len(rest) == 1:
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": objects}
    named = [candidate for candidate in objects if rest[1:] == [candidate["metadata"]["name"]]]
    return named[0] if named else _status(HTTPStatus.NOT_FOUND, "NotFound")


def _status(status: HTTPStatus, reason: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status.value,
        "reason": reason,
        "message": status.phrase,
    }


if __name__ == "__main__":
    sys.exit(main())
