"""A name server for the namespace of the checks: pbx.test is a SIP server whose first address is dead (RFC 3263, RFC 2782)."""
import socket, struct, threading

A, NAPTR, SRV = 1, 35, 33
SERVICE = "_sip._udp.pbx.test"
ZONE = {
    ("pbx.test", NAPTR): [(10, 10, b"s", b"SIP+D2U", b"", SERVICE)],
    (SERVICE, SRV): [(10, 0, 5070, "dead.pbx.test"), (20, 0, 5070, "live.pbx.test")],
    ("dead.pbx.test", A): ["127.0.0.99"],
    ("live.pbx.test", A): ["127.0.0.1"],
}
TTL = 30


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def text(value):
    return bytes([len(value)]) + value


def data(kind, record):
    if kind == A:
        return socket.inet_aton(record)
    if kind == SRV:
        return struct.pack("!HHH", *record[:3]) + encoded(record[3])
    order, preference, flags, services, pattern, replacement = record
    return struct.pack("!HH", order, preference) + text(flags) + text(services) + text(pattern) + encoded(replacement)


def answer(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind, _ = struct.unpack("!HH", query[at + 1 : at + 5])
    name, question = ".".join(labels).lower(), query[12 : at + 5]
    records = [data(kind, record) for record in ZONE.get((name, kind), [])]
    known = any(zone == name for zone, _ in ZONE)
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, TTL, len(record)) + record for record in records)
    return (name, kind), head + question + body


class Names:
    """Answers until it is closed; `asked` is what it was asked."""

    def __init__(self, address=("127.0.0.1", 53)):
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(2048)
            except OSError:
                return
            what, reply = answer(query)
            self.asked.append(what)
            self.socket.sendto(reply, peer)

    def close(self):
        self.socket.close()
