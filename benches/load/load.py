#!/usr/bin/python3
"""load.py TINGWA [--quick] [--only tingwa|asterisk|stack] [PART...]   See ../load.sh, which runs it.

Server on core 0, SIPp and tcpdump on core 1. Processor time from /proc (all threads and child processes of the server). RTP that
leaves the server is taken down by tcpdump on lo: pacing is how far packets of a call are from 20 ms apart, jitter is RFC 3550's, lost
are holes in sequence numbers. RTP into the server is lost where its sockets have dropped (ss). PERF=FILE records a profile of each window."""
import argparse, glob, os, re, shutil, signal, subprocess, sys, time
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RUN = os.environ.get("LOAD_RUN", "/tmp/tingwa-load")
AST_ROOT = os.environ.get("AST_ROOT", "/opt/asterisk-root")
SERVER, CLIENT, ECHO = "127.0.0.10", "127.0.0.1", "127.0.0.2"
SIPP = ROOT + "/tests/peers/sipp/sipp"
TICK = os.sysconf("SC_CLK_TCK")
PROMPT_S = 110


def sh(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, **more)


def sounds():
    """A prompt of 110 s in both servers' forms, and what the caller sends: 10 s of a quiet room (noise of -60 dBFS)."""
    os.makedirs(RUN, exist_ok=True)
    speech = sorted(glob.glob(AST_ROOT + "/usr/share/asterisk/sounds/en*/demo-congrats.wav"))[0]
    if not os.path.exists(RUN + "/room.al"):
        sh("sox", "-D", speech, "-r", "8000", "-c", "1", "-b", "16", RUN + "/prompt.wav", "repeat", "5", "trim", "0", str(PROMPT_S), check=True)
        sh("sox", "-D", RUN + "/prompt.wav", "-t", "al", RUN + "/prompt.alaw", check=True)
        sh("sox", "-R", "-D", "-n", "-r", "8000", "-c", "1", "-t", "al", RUN + "/room.al", "synth", "10", "pinknoise", "vol", "-54dB", check=True)


class Server:
    """A server under test on core 0."""
    folder = None

    def start(self, command, **more):
        self.log = open(f"{self.folder}/out.log", "w")
        self.process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)

    def pids(self):
        family, last = [self.process.pid], []
        while family != last:
            last = family
            found = sh("pgrep", "-P", ",".join(map(str, family))).stdout.split()
            family = sorted(set(family) | set(map(int, found)))
        return family

    def cpu(self):
        """Seconds of processor time, of the server and its children."""
        total = 0
        for pid in self.pids():
            try:
                fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return total / TICK

    def rss(self):
        """Resident memory, KiB."""
        total = 0
        for pid in self.pids():
            try:
                total += int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
            except (OSError, AttributeError):
                pass
        return total

    def wait_up(self):
        for _ in range(600):
            if "SIP/2.0" in options():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start: {self.folder}/out.log\n" + open(f"{self.folder}/out.log").read()[-1500:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


def options():
    """Asks the server whether it is there."""
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((CLIENT, 5999))
        s.settimeout(0.3)
        message = (f"OPTIONS sip:ping@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {CLIENT}:5999;branch=z9hG4bK{time.time_ns()};rport\r\nMax-Forwards: 70\r\n"
                   f"From: <sip:ping@{CLIENT}>;tag=1\r\nTo: <sip:ping@{SERVER}>\r\nCall-ID: {time.time_ns()}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
        try:
            s.sendto(message.encode(), (SERVER, 5060))
            return s.recv(4096).decode(errors="replace")
        except OSError:
            return ""


class Tingwa(Server):
    name = "tingwa"

    def __init__(self, program, srtp="off"):
        self.folder = RUN + "/tingwa"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(HERE + "/plan", self.folder + "/dialplans/load")
        os.makedirs(self.folder + "/dialplans/load/prompts/eng")
        os.link(RUN + "/prompt.wav", self.folder + "/dialplans/load/prompts/eng/greeting.wav")
        if srtp != "off":
            pki(self.folder)
        text = open(HERE + "/tingwa.toml").read().replace("@RUN@", self.folder).replace("@ROOT@", ROOT).replace("@SRTP@", srtp)
        text = text.replace("#TLS# ", "" if srtp != "off" else "# ")
        open(self.folder + "/tingwa.toml", "w").write(text)
        self.start([program, "serve", "--config", self.folder + "/tingwa.toml", "--log", "warn"], cwd=ROOT)
        self.wait_up()


class Stack(Server):
    name = "tingwa's SIP stack alone"

    def __init__(self, program):
        self.folder = RUN + "/stack"
        os.makedirs(self.folder, exist_ok=True)
        self.start([program, SERVER + ":5060"])
        self.wait_up()


def pki(folder):
    os.makedirs(folder + "/pki", exist_ok=True)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder + "/pki/key.pem", "-out",
       folder + "/pki/cert.pem", "-days", "30", "-subj", "/CN=load", "-addext", f"subjectAltName=IP:{SERVER}", check=True)


class Asterisk(Server):
    name = "asterisk"

    def __init__(self, srtp="no"):
        self.folder = RUN + "/asterisk"
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in ("lib/keys", "spool", "run", "log", "tmp"):
            os.makedirs(f"{self.folder}/{part}")
        pki(self.folder)
        shutil.copy(RUN + "/prompt.alaw", self.folder + "/prompt.alaw")
        modules = AST_ROOT + "/usr/lib/x86_64-linux-gnu/asterisk/modules"
        for path in glob.glob(HERE + "/asterisk/*.conf"):
            text = open(path).read()
            for old, new in (("@MOD@", modules), ("@ROOT@", AST_ROOT), ("@RUN@", self.folder), ("@SRTP@", srtp)):
                text = text.replace(old, new)
            open(f"{self.folder}/{os.path.basename(path)}", "w").write(text)
        for name in ("cel", "ccss", "udptl", "features", "pjproject"):
            if not os.path.exists(f"{self.folder}/{name}.conf"):
                open(f"{self.folder}/{name}.conf", "w").write("[general]\n")
        self.start([ROOT + "/tests/peers/asterisk/in-root", "asterisk", "-f", "-p", "-C", self.folder + "/asterisk.conf"],
                   env={**os.environ, "AST_ROOT": AST_ROOT})
        self.wait_up()


class Sipp:
    """One SIPp on core 1."""

    def __init__(self, scenario, number, rate, calls, most=None, hold=0, to=SERVER + ":5060", more=(), name="uac", local=CLIENT, port=5070):
        self.folder = f"{RUN}/{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.command = ["taskset", "-c", "1", SIPP, *([to] if to else []), "-sf", f"{HERE}/{scenario}.xml", "-i", local, "-mi", local, "-p", str(port),
                        "-s", str(number), "-r", str(rate), "-m", str(calls), "-l", str(most or calls), "-nostdin", "-cp", str(port + 3000),
                        "-key", "play", RUN + "/room.al", "-d", str(hold), "-timeout", "240",
                        "-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_rtt", "-rtt_freq", "1", *more]
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=open(self.folder + "/screen", "w"), stderr=subprocess.STDOUT)

    def wait(self):
        self.rc = self.process.wait()
        return self

    def row(self):
        lines = open(self.folder + "/stat.csv").read().splitlines()
        return dict(zip(lines[0].split(";"), lines[-1].split(";")))

    def outcome(self):
        row = self.row()
        number = lambda name: int(row.get(name, 0) or 0)
        return dict(good=number("SuccessfulCall(C)"), failed=number("FailedCall(C)"), again=number("Retransmissions(C)"))

    def times(self):
        """INVITE to 200, ms, of every call."""
        found = glob.glob(self.folder + "/*_rtt.csv")
        values = [float(line.split(";")[1]) for path in found for line in open(path).read().splitlines()[1:] if line.count(";") >= 2]
        return np.array(values)


def percentiles(values, *which):
    return [float(np.percentile(values, p)) if len(values) else float("nan") for p in which]


RTP_FILTER = f"udp and src host {SERVER} and dst host {CLIENT} and not port 5060 and not port 5061"


def capture(seconds, size, ports=None, name="rtp"):
    """RTP that leaves the server towards the caller: time and sequence number by destination port."""
    path = f"{RUN}/{name}.pcap"
    span = f" and dst portrange {ports[0]}-{ports[1]}" if ports else ""
    dump = subprocess.Popen(["taskset", "-c", "1", "tcpdump", "-i", "lo", "-n", "-s", "60", "-B", "65536", "--time-stamp-precision=nano", "-w", path,
                             f"{RTP_FILTER} and udp[4:2] = {size}{span}"], stderr=subprocess.PIPE, text=True)
    time.sleep(seconds + 1.5)  # what was taken last is handed over after a second
    dump.send_signal(signal.SIGINT)
    told = dump.communicate()[1]
    missed = int(re.search(r"(\d+) packets dropped by kernel", told).group(1))
    data = np.fromfile(path, dtype=np.uint8)[24:]
    rows = data[: len(data) // 76 * 76].reshape(-1, 76)
    stamp = rows[:, 0:8].copy().view("<u4").astype(np.int64)
    at = stamp[:, 0] * 1_000_000_000 + stamp[:, 1]
    big = lambda a: rows[:, a].astype(np.int64) << 8 | rows[:, a + 1]
    port, sequence = big(16 + 14 + 20 + 2), big(16 + 14 + 20 + 8 + 2)
    off, jitter, lost, packets = [], [], 0, 0
    for one in np.unique(port):
        mine = port == one
        t, s = at[mine], sequence[mine]
        if len(t) < 10:
            continue
        steps = (s[1:] - s[:-1]) & 0xffff
        lost += int((steps[(steps > 1) & (steps < 1000)] - 1).sum())
        packets += len(t)
        gaps = (t[1:] - t[:-1])[steps == 1] / 1e6 - 20.0
        off.append(np.abs(gaps))
        value = 0.0
        for d in np.abs(gaps):
            value += (d - value) / 16
        jitter.append(value)
    off = np.concatenate(off) if off else np.array([])
    p50, p99, p999 = percentiles(off, 50, 99, 99.9)
    return dict(calls=len(jitter), packets=packets, lost=lost, missed=missed, p50=p50, p99=p99, p999=p999, most=float(off.max()) if len(off) else float("nan"),
                jitter=float(np.mean(jitter)) if jitter else float("nan"))


def dropped_in():
    """Packets that the server's own sockets have dropped since they were opened."""
    out = sh("ss", "-uanm", "src", SERVER).stdout
    return sum(int(n) for n in re.findall(r",d(\d+)\)", out))


def clock(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def hold(server, n, number=701, rate=97, seconds=10, scenario="listening", size=180, to=SERVER + ":5060", more=(), echo=False):
    """`n` calls at once: what they cost and how even their audio is."""
    ramp = n / rate
    other = Sipp("uas", 200, 1000, n * 10, to=None, local=ECHO, port=5090, name="uas", more=("-aa", "-min_rtp_port", "20000", "-max_rtp_port", "39998")) if echo else None
    rest = server.rss()
    sipp = Sipp(scenario, number, rate, n, hold=int((ramp + seconds + 6) * 1000), to=to,
                more=("-min_rtp_port", "40000", "-max_rtp_port", "65000", *more))
    time.sleep(ramp + 3)
    memory = server.rss() - rest
    drops = dropped_in()
    cpu, generator, began = server.cpu(), child_cpu(sipp.process.pid), time.time()
    if os.environ.get("PERF"):
        subprocess.Popen(["perf", "record", "-e", "cpu-clock", "-F", "1997", "-g", "-o", os.environ["PERF"], "-p", ",".join(map(str, server.pids())), "--", "sleep", str(seconds)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    heard = capture(seconds, size)
    cpu, generator, took = server.cpu() - cpu, child_cpu(sipp.process.pid) - generator, time.time() - began
    drops = dropped_in() - drops
    sipp.wait()
    if other:
        other.process.terminate()
        other.wait()
    share = 100 * cpu / took
    result = dict(n=n, share=share, per_call=share / n, kb=memory / n, drops=drops, generator=100 * generator / took, **sipp.outcome(), **heard)
    clock(f"{server.name}: {n} x {scenario}: {share:.0f} % of a core, {share / n:.4f} % a call, {result['kb']:.0f} KiB a call, good {result['good']}, failed "
          f"{result['failed']}, again {result['again']}; out: {heard['packets']} packets of {heard['calls']} calls, lost {heard['lost']}, off 20 ms p50 {heard['p50']:.3f} p99 {heard['p99']:.3f} "
          f"most {heard['most']:.1f} ms, jitter {heard['jitter']:.3f}; in: dropped {drops}; SIPp {result['generator']:.0f} % of its core, tcpdump missed {heard['missed']}")
    time.sleep(2)
    return result


def child_cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def calls_a_second(server, rate, seconds, scenario="signalling", number=701):
    began = server.cpu()
    sipp = Sipp(scenario, number, rate, int(rate * seconds), most=20000, more=("-timer_resol", "1", "-max_socket", "100")).wait()
    used = server.cpu() - began
    out = sipp.outcome()
    done = max(1, out["good"])
    p = percentiles(sipp.times(), 50, 95, 99)
    clock(f"{server.name}: {rate} calls/s for {seconds} s: good {out['good']}, failed {out['failed']}, retransmissions {out['again']}, {1e6 * used / done:.0f} us of CPU a call, "
          f"set-up p50/95/99 {p[0]:.2f}/{p[1]:.2f}/{p[2]:.2f} ms, {server.rss() / 1024:.0f} MiB")
    return dict(rate=rate, us=1e6 * used / done, p=p, rss=server.rss(), **out)


def climb(server, rates, seconds):
    """The most calls a second that pass without failure or retransmission."""
    best = None
    for rate in rates:
        got = calls_a_second(server, rate, seconds)
        if got["failed"] or got["again"]:
            break
        best = got
        time.sleep(1)
    return best


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tingwa")
    p.add_argument("parts", nargs="*")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--only", default="tingwa asterisk stack")
    p.add_argument("--stack", default=None, help="the example `answering`")
    p.add_argument("--calls", default=None, help="for listening and bridged, comma separated")
    p.add_argument("--rates", default=None)
    p.add_argument("--seconds", type=float, default=None)
    a = p.parse_intermixed_args()
    tingwa = os.path.realpath(a.tingwa)
    sounds()
    import parts
    parts.run(a, tingwa)


if __name__ == "__main__":
    sys.modules["load"] = sys.modules["__main__"]
    sys.path.insert(0, HERE)
    main()
