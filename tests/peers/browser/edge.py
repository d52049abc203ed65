"""A WebSocket edge for telephones in pages, as Kamailio or OpenSIPS is one before a PBX: SIP over WebSocket on one side, over UDP on
the other, session descriptions untouched. It stays in the route, so that requests within a dialog come back to it (RFC 3261 16.6,
RFC 7118). For tests: one page, no registration that is remembered beyond it."""
import base64, hashlib, itertools, re, socket, struct, threading


class Edge:
    """Listens for one page on `ws` and for the gateway on `udp`, both (host, port)."""

    def __init__(self, ws, udp, gateway):
        self.udp_at, self.gateway, self.page, self.count = udp, gateway, None, itertools.count(1)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(udp)
        self.listener = socket.create_server(ws)
        for work in (self.take_pages, self.take_datagrams):
            threading.Thread(target=work, daemon=True).start()

    def close(self):
        self.listener.close(), self.udp.close()

    def take_pages(self):
        while True:
            try:
                page, _ = self.listener.accept()
            except OSError:
                return
            self.page = page
            threading.Thread(target=self.serve, args=(page,), daemon=True).start()

    def serve(self, page):
        """The handshake of RFC 6455, then its frames: text and binary are SIP, a ping gets its pong."""
        stream = page.makefile("rb")
        head = {}
        for line in iter(stream.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            head[name.strip().lower()] = value.strip()
        accept = base64.b64encode(hashlib.sha1((head["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        page.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: sip\r\n\r\n").encode())
        while len(two := stream.read(2)) == 2:
            length = two[1] & 127
            if length == 126:
                length = struct.unpack(">H", stream.read(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", stream.read(8))[0]
            mask = stream.read(4)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream.read(length)))
            kind = two[0] & 15
            if kind == 8:
                return
            if kind == 9:
                self.frame(10, data)
            elif kind in (1, 2) and data.strip():
                self.from_page(data.decode())

    def frame(self, kind, data):
        length = len(data)
        head = bytes([0x80 | kind, length]) if length < 126 else bytes([0x80 | kind, 126]) + struct.pack(">H", length)
        self.page.sendall(head + data)

    def from_page(self, text):
        if text.startswith("REGISTER "):
            wanted = [line for line in text.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq|Contact):", line)]
            to = re.search(r"^To:.*$", text, re.M).group(0).strip() + ";tag=edge"
            return self.frame(1, "\r\n".join(["SIP/2.0 200 OK", *wanted, to, "Content-Length: 0", "", ""]).encode())
        self.udp.sendto(self.pass_on(text, "UDP").encode(), self.gateway)

    def take_datagrams(self):
        while True:
            try:
                data, _ = self.udp.recvfrom(65536)
            except OSError:
                return
            if data.strip() and self.page:
                self.frame(1, self.pass_on(data.decode(), "WS").encode())

    def pass_on(self, text, transport):
        """A request gets our Via and, where it begins something, our Record-Route; a response loses our Via."""
        host, port = self.udp_at
        lines = text.split("\r\n")
        if lines[0].startswith("SIP/2.0"):
            first = next(i for i, line in enumerate(lines) if line.startswith("Via:"))
            del lines[first]
            return "\r\n".join(lines)
        branch = re.search(r"branch=([^;\s,]+)", text)
        # A CANCEL and an ACK to a refusal belong to the same branch as their INVITE.
        mine = f"Via: SIP/2.0/{transport} {host}:{port};branch={branch.group(1)}.e"
        lines = [line for line in lines if not (line.startswith("Route:") and f"{host}:{port}" in line)]
        extra = [mine, f"Record-Route: <sip:{host}:{port};lr>"] if lines[0].startswith("INVITE ") else [mine]
        lines[1:1] = extra
        return "\r\n".join(lines)
