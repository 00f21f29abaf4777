"""Answers with a sentence, the path and the variables of its pod."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

SENTENCE = "first version"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        shown = {"sentence": SENTENCE, "path": self.path, "role": os.environ.get("ROLE", "")}
        body = json.dumps(shown).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


HTTPServer((os.environ.get("HOST", ""), int(os.environ["LISTEN"])), Handler).serve_forever()
