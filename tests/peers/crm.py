"""A stub of a company's booking system on 127.0.0.1:8095; standard library only. `slow` seconds pass before each answer, and
with `broken` it answers 500. Every request is kept."""
import http.server, json, threading, time

TOKEN = "s3cret-of-the-crm"


class Crm:
    def __init__(self, port=8095):
        self.slow, self.broken, self.requests = 0.0, False, []
        crm = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                crm.requests.append((self.command, self.path, body))
                time.sleep(crm.slow)
                if self.headers.get("Authorization") != "Bearer " + TOKEN:
                    status, answer = 401, {}
                elif crm.broken:
                    status, answer = 500, {"error": "down"}
                elif self.command == "GET":
                    status, answer = 200, {"visit": "v-7", "period": "morning"}
                else:
                    status, answer = 201, {"reference": "4821"}
                data = json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # nobody waits any more

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
