#!/usr/bin/python3
"""check.py TINGWA [NAME-PART...]   A real Chromium with SIP.js as the caller's telephone and as the agent's; one line a check, exit 1
when one failed. Run by run.sh inside a network namespace. The gateway is 127.0.0.10, the pages come from 127.0.0.1:8899."""
import http.server, json, os, queue, shutil, signal, subprocess, sys, threading, time, urllib.parse
from edge import Edge

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import running

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
RUN = os.environ.get("PEERS_RUN", "/tmp/tingwa-browser")
SIP_JS = os.environ.get("TINGWA_CACHE", os.path.expanduser("~/.cache/tingwa")) + "/peers-browser/node_modules/sip.js/lib"
TINGWA, CONFIG = sys.argv[1], RUN + "/tingwa.toml"
GREETING = 13  # seconds; the recording notice in it cannot be spoken over
BROWSER = ["chromium-headless-shell", "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
           "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
WS, WSS = "ws://127.0.0.10:8080", "wss://127.0.0.10:8443"


class Server(http.server.ThreadingHTTPServer):
    """Serves the page and SIP.js, hands out commands, takes in what pages tell."""

    def __init__(self):
        self.events, self.commands = {}, {}
        super().__init__(("127.0.0.1", 8899), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def page(self):
        return urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)["page"][0]

    def answer(self, status, kind="text/plain", body=b""):
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:
            pass  # the page was closed while it waited for a command

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.events[self.page()].append((time.time(), event))
        self.answer(204)

    def do_GET(self):
        path = urllib.parse.urlparse(self.path).path
        if path == "/command":
            try:
                command = self.server.commands[self.page()].get(timeout=5)
                return self.answer(200, "application/json", json.dumps(command).encode())
            except queue.Empty:
                return self.answer(204)
        file = SIP_JS + path.removeprefix("/sip.js") if path.startswith("/sip.js/") else HERE + path
        if ".." in path or not os.path.isfile(file):
            return self.answer(404)
        kind = "text/html" if file.endswith(".html") else "text/javascript"
        self.answer(200, kind, open(file, "rb").read())


class Page:
    """One Chromium with one page and one microphone."""

    def __init__(self, name, server, codec, wav):
        self.name, self.told = name, pages.events.setdefault(name, [])
        self.told.clear()
        self.commands = pages.commands[name] = queue.Queue()
        folder = f"{RUN}/chromium-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        query = urllib.parse.urlencode({"name": name, "server": server, "codec": codec, "user": name})
        self.log = open(f"{RUN}/chromium-{name}.log", "w")
        # Of certificates only ours is believed beyond those that the browser knows.
        self.process = subprocess.Popen([*BROWSER, "--user-data-dir=" + folder, f"--use-file-for-fake-audio-capture={wav}%noloop",
                                         "--ignore-certificate-errors-spki-list=" + spki, "--enable-logging=stderr",
                                         f"http://127.0.0.1:8899/page.html?{query}"], stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        self.wait("ready", 30)

    def do(self, what, **more):
        self.commands.put({"do": what, **more})

    def wait(self, event, seconds, **more):
        until = time.time() + seconds
        while time.time() < until:
            for _, told in list(self.told):
                if told["event"] == "error":
                    raise AssertionError(f"page {self.name}: {told['what']}")
                if told["event"] == event and all(told.get(key) == value for key, value in more.items()):
                    return told
            time.sleep(0.05)
        raise AssertionError(f"page {self.name}: no {event} {more} in {seconds} s; last {self.told[-3:]}")

    def call(self):
        self.do("call", to="sip:1823@tingwa.test")
        self.wait("state", 15, state="Established")
        return self.wait("connected", 10)["ms"]

    def stats(self):
        """All that were told so far, oldest first."""
        return [told for _, told in list(self.told) if told["event"] == "stats"]

    def close(self):
        # Debian starts it by a script: the whole group goes.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def journal():
    for _ in range(100):
        out = subprocess.run([TINGWA, "why", "last", "--json", "--config", CONFIG], cwd=ROOT, capture_output=True, text=True).stdout
        entries = [json.loads(line)["entry"] for line in out.splitlines()]
        if entries and entries[-1]["fact"] == "ended":
            return entries
        time.sleep(0.1)
    raise AssertionError(f"the last call has not ended: {entries[-3:]}")


def facts(entries, name):
    return [entry for entry in entries if entry["fact"] == name]


def caller_quality(entries):
    ended = [entry for entry in facts(entries, "leg_ended") if entry["role"] == "caller"]
    return ended[0]["quality"]


def call_and_ask(name, server, codec):
    """A page calls, hears the greeting, says in Cantonese what it wants, presses keys, restarts ICE in between, hangs up."""
    page = Page(name, server, codec, f"{RUN}/asks.wav")
    try:
        ms = page.call()
        time.sleep(6)
        page.do("restart")
        time.sleep(GREETING + 3)
        page.do("keys", keys="7")
        time.sleep(2)
        stats = page.stats()
        page.do("hangup")
        page.wait("state", 5, state="Terminated")
    finally:
        page.close()
    entries = journal()
    last, peaks = stats[-1], [one["peak"] for one in stats]
    assert last["codec"].lower() == f"audio/{codec}", last
    assert last["dtls"] == "connected" and last["received"] > 500 and last["sent"] > 500 and last["lost"] == 0, last
    assert max(peaks) > 0.05 and last["energy"] > 0.001, f"the page heard nothing: {max(peaks)} {last['energy']}"
    quality = caller_quality(entries)
    assert quality["received"] > 500 and quality["lost"] == 0, quality
    heard = "".join(turn["text"] for turn in facts(entries, "caller_turn"))
    assert "單" in heard, f"heard '{heard}'"
    keys = [digit["digit"] for digit in facts(entries, "digit")]
    assert keys == ["7"], keys
    return (f"{last['codec']} {last['cipher']}, connected in {ms:.0f} ms, {last['received']} packets in, {last['sent']} out, none lost, "
            f"peak {max(peaks):.2f}; heard '{heard}', key {keys[0]}")


def check_ws_opus():
    """Over WebSocket, in Opus."""
    return call_and_ask("wsopus", WS, "opus")


def check_wss_pcmu():
    """Over WebSocket and TLS, in PCMU."""
    return call_and_ask("wsspcmu", WSS, "pcmu")


def check_agent_page():
    """A page asks for a person; the agent's page rings, hears the briefing, accepts with 1; both hear each other."""
    edge = Edge(("127.0.0.1", 8088), ("127.0.0.1", 5080), ("127.0.0.10", 5060))
    agent = Page("6001", "ws://127.0.0.1:8088", "opus", f"{RUN}/tone.wav")
    caller = Page("caller", WS, "pcmu", f"{RUN}/asks.wav")
    try:
        agent.do("register")
        caller.call()
        time.sleep(3)
        caller.do("keys", keys="0")
        ringing = agent.wait("ringing", 25)
        agent.do("answer")
        agent.wait("connected", 10)
        time.sleep(3)
        briefing = max(one["peak"] for one in agent.stats())
        before = len(caller.stats())
        agent.do("keys", keys="1")
        time.sleep(6)
        bridged = caller.stats()[before + 2:]
        agent_stats = agent.stats()[-1]
        caller.do("hangup")
        agent.wait("state", 5, state="Terminated")
    finally:
        agent.close(), caller.close(), edge.close()
    entries = journal()
    names = [entry["fact"] for entry in entries]
    order = [names.index(name) for name in ("transfer_dialling", "briefing", "transfer_accepted", "bridged")]
    assert order == sorted(order), names
    assert briefing > 0.05, f"the agent heard no briefing: {briefing}"
    assert min(one["peak"] for one in bridged) > 0.02, f"the caller does not hear the agent's tone: {bridged}"
    assert agent_stats["dtls"] == "connected" and agent_stats["received"] > 200, agent_stats
    return (f"rung as '{ringing['from']}', briefing peak {briefing:.2f}, agent {agent_stats['codec']} {agent_stats['cipher']} as {agent_stats['role']}, "
            f"{agent_stats['received']} packets in")


CHECKS = [check_ws_opus, check_wss_pcmu, check_agent_page]


def prepare():
    """Certificate, configuration, and what the pages' microphones hear."""
    global spki
    os.makedirs(RUN, exist_ok=True)
    shutil.rmtree(RUN + "/var", ignore_errors=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=tingwa.test", "-addext", "subjectAltName=IP:127.0.0.10", "-keyout", RUN + "/key.pem", "-out", RUN + "/cert.pem"],
                   check=True, capture_output=True)
    public = subprocess.run(["openssl", "x509", "-in", RUN + "/cert.pem", "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, check=True, capture_output=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, check=True, capture_output=True).stdout
    spki = subprocess.run(["openssl", "base64", "-A"], input=digest, check=True, capture_output=True).stdout.decode()
    text = open(HERE + "/tingwa.toml").read().replace("@RUN@", RUN).replace("@ROOT@", ROOT)
    open(CONFIG, "w").write(text.replace("@ENGINE@", os.environ.get("PEERS_ENGINE", "")))
    # A page's microphone is open from the call on: the greeting's time goes in front of the words.
    subprocess.run(["espeak-ng", "-v", "yue", "-s", "150", "-w", RUN + "/.say.wav", "我想查詢我張單"], check=True)
    subprocess.run(["sox", "-D", RUN + "/.say.wav", "-r", "48000", "-c", "1", "-b", "16", RUN + "/asks.wav", "norm", "-6", "pad",
                    str(GREETING + 2), "60"], check=True)
    subprocess.run(["sox", "-D", "-n", "-r", "48000", "-c", "1", "-b", "16", RUN + "/tone.wav", "synth", "60", "sine", "440", "tremolo", "3", "60", "gain", "-9"],
                   check=True)


def main():
    global pages
    prepare()
    pages = Server()
    gateway = running.Gateway(TINGWA, CONFIG, ROOT, RUN + "/gateway.log", {**os.environ, "CRM_TOKEN": "none"})
    try:
        gateway.wait_ready()
        failed = running.run(CHECKS, "browser", sys.argv[2:])
    finally:
        gateway.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
