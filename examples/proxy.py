"""Stands before a node and passes everything on, but for what it was told to spoil. For the stories; needs Python alone.

python3 proxy.py ADDRESS lie             one byte of what the node says of the state is another one
python3 proxy.py ADDRESS refuse FILE     as long as FILE is there, no transaction is taken
"""

import http.server
import pathlib
import sys
import urllib.error
import urllib.request

REFUSAL = b'{"type": "about:blank", "title": "not today", "status": 403, "code": "node/not-invited"}'


class Proxy(http.server.BaseHTTPRequestHandler):
    """One request, passed on."""

    protocol_version = "HTTP/1.1"

    def relay(self) -> None:
        """Pass the request on and the answer back."""
        body = self.rfile.read(int(self.headers.get("content-length", 0))) or None
        if sys.argv[2] == "refuse" and self.path == "/v1/transactions" and pathlib.Path(sys.argv[3]).exists():
            self.answer(403, "application/problem+json", REFUSAL)
            return
        head = {"content-type": self.headers["content-type"]} if body else {}
        request = urllib.request.Request(sys.argv[1] + self.path, body, head, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                status, data, kind = answer.status, bytearray(answer.read()), answer.headers["content-type"]
        except urllib.error.HTTPError as answer:
            status, data, kind = answer.code, bytearray(answer.read()), answer.headers["content-type"]
        if sys.argv[2] == "lie" and self.path == "/v1/states" and status == 200:
            data[len(data) // 2] ^= 1
        self.answer(status, kind or "", bytes(data))

    def answer(self, status: int, kind: str, data: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = relay

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
