"""The smallest application for a preview: one pod that serves one sentence."""

from __future__ import annotations

_CONFIGURATION = """
version: 1
images: {hello: REGISTRY/REPOSITORY}
manifests: {plain: deploy}
route: {service: hello, port: 80}
"""

_DOCKERFILE = """
FROM python:3.13-slim
WORKDIR /app
COPY serve.py serve.py
COPY sentence.txt sentence.txt
USER 10001
CMD ["python", "serve.py"]
"""

_SERVE = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open("sentence.txt", "rb").read())

    def log_message(self, *_):
        pass


HTTPServer((os.environ.get("HOST", ""), 28080), Handler).serve_forever()
"""

_MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  selector: {app: hello}
  ports: [{port: 80, targetPort: 28080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: hello
          image: REGISTRY/REPOSITORY:1
          ports: [{containerPort: 28080}]
          readinessProbe: {httpGet: {path: /, port: 28080}, periodSeconds: 1}
"""


def hello_files(registry: str, repository: str, sentence: str) -> dict[str, bytes]:
    texts = {
        ".greenroom.yml": _CONFIGURATION,
        "Dockerfile": _DOCKERFILE,
        "serve.py": _SERVE,
        "sentence.txt": sentence,
        "deploy/hello.yaml": _MANIFESTS,
    }
    image = f"{registry}/{repository.lower()}"
    return {path: text.replace("REGISTRY/REPOSITORY", image).encode() for path, text in texts.items()}
