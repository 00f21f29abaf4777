"""Answers each gRPC call with `unimplemented`, using only the required frames of HTTP/2."""

import os
import socketserver
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, HEADERS = 4, 6, 1
ACKNOWLEDGED, END_STREAM, END_HEADERS = 1, 1, 4
SENTENCE = "first version"


def literal(name, value):
    """A header field without indexing and without Huffman coding."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


STATUS_OK = b"\x88"
ANSWER = STATUS_OK + literal(b"content-type", b"application/grpc") + literal(b"grpc-status", b"12")


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.read(len(PREFACE)) != PREFACE:
            return
        self.send(SETTINGS, 0, 0, b"")
        while head := self.rfile.read(9):
            length = int.from_bytes(head[:3], "big")
            kind, flags = head[3], head[4]
            (stream,) = struct.unpack("!I", head[5:])
            payload = self.rfile.read(length)
            if kind in (SETTINGS, PING) and not flags & ACKNOWLEDGED:
                self.send(kind, ACKNOWLEDGED, 0, payload if kind == PING else b"")
            elif kind == HEADERS:
                self.send(HEADERS, END_STREAM | END_HEADERS, stream, ANSWER)

    def send(self, kind, flags, stream, payload):
        head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream)
        self.wfile.write(head + payload)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server((os.environ.get("HOST", ""), 28191), Connection).serve_forever()
