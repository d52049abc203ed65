"""A stub of a company's booking system on 127.0.0.1:8095; standard library only. `slow` seconds pass before each answer, and
with `broken` it answers 500. Every request is kept."""
import http.server, json, re, threading, time

TOKEN = "s3cret-of-the-crm"


# What the shipped hotlines ask, by method and the beginning of the path; the first that fits. Numbers are quantities, strings codes.
ORDER = {"status": "shipped", "value": 280, "days_late": 5, "days_since": 0, "eta": "2026-12-04"}
SLOT = {"slot": "s-9", "day": "2026-12-14", "session": "morning"}
ANSWERS = [
    ("GET", r"/visits/free", {"visit": "v-7", "period": "morning"}),
    # telecom
    ("POST", r"/verify", {"verified": "yes"}),
    ("GET", r"/accounts/\d+/bill", {"amount": 168, "due": "2026-12-25", "days_overdue": 0}),
    ("GET", r"/accounts/\d+/usage", {"used_gb": 12, "left_gb": 8}),
    ("GET", r"/accounts/\d+/contract", {"months_left": 1}),
    ("GET", r"/roaming/prices/", {"dollars_a_day": 58}),
    ("GET", r"/lines/\d+", {"outage": "no"}),
    ("GET", r"/tickets/", {"status": "assigned"}),
    # hospital
    ("GET", r"/slots|/appointments/.*/slots", SLOT),
    ("POST", r"/appointments/find", {"id": "p-1", "clinic": "eye", "day": "2026-12-20", "session": "morning", "days_to_go": 16}),
    ("GET", r"/emergency/waiting", {"semi_urgent_hours": 4}),
    # returns
    ("GET", r"/orders/\w+/stock", {"in_stock": "yes"}),
    ("GET", r"/orders/\w+/refund", {"state": "waiting"}),
    ("GET", r"/orders/", ORDER),
    ("GET", r"/vouchers/", {"state": "valid", "dollars": 50, "until": "2026-12-31"}),
    # whatever is made or changed
    ("", r"", {"reference": "4821", "ticket": "C4821"}),
]


def answer_to(method, path):
    fits = (answer for of, pattern, answer in ANSWERS if of in ("", method) and re.match(pattern, path))
    return next(fits)


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
                else:
                    status, answer = (200 if self.command == "GET" else 201), answer_to(self.command, self.path)
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
