"""The parts of the bench, and its table."""
import os, time
import load


def servers(a, program, **srtp):
    """Each server in turn, started and stopped."""
    for name in ("tingwa", "asterisk"):
        if name in a.only:
            server = load.Tingwa(program, srtp.get("tingwa", "off")) if name == "tingwa" else load.Asterisk(srtp.get("asterisk", "no"))
            try:
                yield name, server
            finally:
                server.stop()


def setup(a, tingwa, table):
    """How soon calls are answered at 100 calls/s."""
    for name, server in servers(a, tingwa):
        got = load.calls_a_second(server, 100, a.seconds or (5 if a.quick else 20))
        table.add("set-up time at 100 calls/s, p50 / p95 / p99, ms", name, " / ".join(f"{v:.2f}" for v in got["p"]), got["p"][1])


def signalling(a, tingwa, table):
    """Whole calls without listening: answered, journalled, ended at once."""
    rates = [int(r) for r in a.rates.split(",")] if a.rates else [100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 4000]
    for name, server in servers(a, tingwa):
        best = load.climb(server, rates, a.seconds or (4 if a.quick else 8))
        if best:
            table.add("whole calls a second without failure or retransmission", name, best["rate"], best["rate"])
            table.add("CPU of such a call, us", name, f"{best['us']:.0f}", best["us"])


def stack(a, tingwa, table):
    """The SIP machine alone: an answering server of a few lines on one thread."""
    program = a.stack or os.path.join(os.path.dirname(tingwa), "examples", "answering")
    if not os.path.exists(program):
        return print(f"part stack left out: no {program} (cargo build --release --example answering)")
    server = load.Stack(program)
    try:
        rates = [int(r) for r in a.rates.split(",")] if a.rates else ([2000, 8000] if a.quick else [2000, 4000, 6000, 7000, 8000, 9000, 10000, 12000])
        best = load.climb(server, rates, a.seconds or (4 if a.quick else 10))
        if best:
            table.add("SIP stack alone (examples/answering), calls a second", "tingwa", best["rate"], best["rate"])
            table.add("CPU of such a call, us", "tingwa", f"{best['us']:.0f}", best["us"])
            table.add("memory then, MiB", "tingwa", f"{best['rss'] / 1024:.0f}", best["rss"])
    finally:
        server.stop()


def sizes(a, default):
    return [int(n) for n in a.calls.split(",")] if a.calls else default


def listening(a, tingwa, table):
    """Callers who send a quiet room and hear a prompt."""
    for name, server in servers(a, tingwa):
        for n in sizes(a, [200] if a.quick else [500, 1000, 1500]):
            got = load.hold(server, n, seconds=a.seconds or (5 if a.quick else 10))
            told(table, f"{n} calls that hear a prompt", name, got)
            if got["failed"] or got["lost"] or got["drops"]:
                break


def bridged(a, tingwa, table):
    """Callers talking with somebody who echoes them, through the server."""
    for name, server in servers(a, tingwa):
        for n in sizes(a, [100] if a.quick else [200, 400]):
            got = load.hold(server, n, number=702, scenario="bridged_" + name, rate=47, seconds=a.seconds or (5 if a.quick else 10), echo=True)
            told(table, f"{n} bridged calls", name, got)


def srtp(a, tingwa, table):
    """TLS 1.3 and SRTP (SDES) against plain."""
    for name, server in servers(a, tingwa, tingwa="required", asterisk="sdes"):
        for n in sizes(a, [200] if a.quick else [500]):
            got = load.hold(server, n, scenario="listening_srtp", size=190, to=load.SERVER + ":5061", seconds=a.seconds or (5 if a.quick else 10),
                            more=("-t", "l1", "-tls_ca", server.folder + "/pki/cert.pem"))
            told(table, f"{n} calls that hear a prompt, TLS 1.3 and SRTP", name, got)


def soak(a, tingwa, table):
    """24,000 calls: does memory stay where it was?"""
    for name, server in servers(a, tingwa):
        rate, calls = (200, 24000) if name == "tingwa" else (100, 6000)
        if a.quick:
            calls //= 8
        marks = []
        for _ in range(4):
            load.calls_a_second(server, rate, calls / 4 / rate)
            time.sleep(2)
            marks.append(server.rss() / 1024)
        table.add(f"memory after each quarter of the soak ({calls} calls), MiB", name, " ".join(f"{m:.0f}" for m in marks), marks[-1])


def saturated(a, tingwa, table):
    """Pacing while two endless loops compete for the server's core."""
    import subprocess
    for name, server in servers(a, tingwa):
        hogs = [subprocess.Popen(["taskset", "-c", "0", "sh", "-c", "while :; do :; done"]) for _ in range(2)]
        try:
            got = load.hold(server, 100, seconds=a.seconds or 5)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        told(table, "100 calls that hear a prompt, two endless loops on the same core", name, got)


def told(table, what, name, got):
    table.add(f"{what}: CPU, % of a core a call", name, f"{got['per_call']:.4f}", got["per_call"])
    table.add(f"{what}: memory, KiB a call", name, f"{got['kb']:.0f}", got["kb"])
    table.add(f"{what}: off 20 ms, p50 / p99 / most, ms", name, f"{got['p50']:.3f} / {got['p99']:.3f} / {got['most']:.1f}", got["p99"])
    table.add(f"{what}: jitter out, ms", name, f"{got['jitter']:.3f}", got["jitter"])
    table.add(f"{what}: packets lost out, in; calls failed", name, f"{got['lost']}, {got['drops']}; {got['failed']}", None)


class Table:
    def __init__(self):
        self.rows = {}

    def add(self, what, who, text, value):
        self.rows.setdefault(what, {})[who] = (str(text), value)

    def show(self):
        print(f"\n| what | tingwa | Asterisk 22 | tingwa / Asterisk |\n|---|---|---|---|")
        for what, by in self.rows.items():
            mine, other = by.get("tingwa", ("", None)), by.get("asterisk", ("", None))
            ratio = f"{mine[1] / other[1]:.2f}" if mine[1] is not None and other[1] else ""
            print(f"| {what} | {mine[0]} | {other[0]} | {ratio} |")


PARTS = {f.__name__: f for f in (setup, signalling, stack, listening, bridged, srtp, soak, saturated)}


def run(a, tingwa):
    with open("/proc/cpuinfo") as f:
        model = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    print(f"machine: {os.cpu_count()} x {model}; load before {open('/proc/loadavg').read().split()[0]}; server on core 0 (taskset), SIPp and tcpdump on core 1", flush=True)
    table = Table()
    for name in a.parts or PARTS:
        PARTS[name](a, tingwa, table)
    table.show()
