"""A server that answers every request with the same age: python stub_server.py AGE."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"predictions": [{"age": float(sys.argv[1]), "emotion": [0.5, 0.5]}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Answer)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
