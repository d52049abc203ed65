#!/usr/bin/python3
"""interop.py TINGWA [PEER...]   See matrix.sh, which runs it in a namespace of its own.

A cell is one call to the gateway. It is good where the peer has heard the greeting (found in its recording), the gateway has heard what
the peer says (found in the left channel of the call's recording) and the keys that it pressed stand in the journal."""
import concurrent.futures, glob, itertools, json, os, shutil, signal, sqlite3, subprocess, sys, time
from phone import Phone
import running

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RUN = os.environ.get("MATRIX_RUN", "/tmp/tingwa-matrix")
SPEECH, PKI = RUN + "/speech", RUN + "/pki"
GATEWAY, PORT = "127.0.0.10", {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 8080, "wss": 8443}
CODECS = ["PCMA", "PCMU", "G722", "opus"]
AT_ONCE = 4  # calls at a time: the phones share two cores

CONFIG = f"""
[sip]
listen = ["udp:{GATEWAY}:5060", "tcp:{GATEWAY}:5060"]
tls = "{GATEWAY}:5061"
ws = "{GATEWAY}:8080"
wss = "{GATEWAY}:8443"
tls_certificate = "{PKI}/cert.pem"
tls_key = "{PKI}/key.pem"
tls_ca = "{PKI}/ca.pem"
[[trunk]]
name = "peer"
uri = "sip:127.0.0.1:5070"
allow = ["127.0.0.1"]
[media]
address = "{GATEWAY}"
ports = "22000-23999"
srtp = "offer"
[dialplans]
folder = "{RUN}/dialplans"
[engine]
prompt_cache = "{RUN}/prompts"
[store]
folder = "{RUN}/var"
"""

PLAN = """
title = "matrix"
numbers = ["1823"]
languages = ["eng"]
[hearing]
speech = false
[dialogue]
greeting = "greeting"
language_changed = "short"
keys_only = "short"
no_input = { after = "30s", say = ["short"], then = "end:short" }
no_match = { say = ["short", "short", "short"], then = "end:short" }
menu = { 5 = "say:short", 7 = "say:short" }
[escalation]
queue = "desk"
transferring = "short"
closed = "short"
gave_up = "short"
[queue.desk]
ring = ["sip:613@peer"]
no_agent = "short"
[intent.nothing]
then = "end:short"
"""
PROMPTS = """
[say]
greeting = "A recording stands in my place."
short = "One moment."
briefing = "A caller: {reason}. {wanted}. {language}."
[labels]
eng = "English"
nothing = "nothing"
key = "a key"
asked_for_human = "the caller asked for a person"
urgent = "urgent"
unresolved = "the bot could not help"
no_input = "the caller said nothing"
"""


def sh(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, **more)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def found(phrase, recording, least=0.7):
    if not recording or not os.path.exists(recording):
        raise AssertionError(f"no recording for '{phrase}'")
    out = sh(HERE + "/find.py", f"{SPEECH}/{phrase}.wav", recording, str(least))
    if out.returncode != 0:
        raise AssertionError(f"'{phrase}' not heard in {os.path.basename(recording)}: {out.stdout.split(' ')[0] or out.stderr[-80:]}")


class Gateway(running.Gateway):
    def __init__(self, program):
        self.program = program
        write(RUN + "/tingwa.toml", CONFIG)
        write(RUN + "/dialplans/matrix/plan.toml", PLAN)
        write(RUN + "/dialplans/matrix/prompts/eng.toml", PROMPTS)
        write(RUN + "/dialplans/matrix/phrases/eng.toml", 'nothing = ["nothing at all", "nothing", "leave me alone"]\n')
        os.makedirs(RUN + "/dialplans/matrix/prompts/eng", exist_ok=True)
        # Two phrases with a pause between them: a caller who is on hold meanwhile must not miss the second.
        sh("sox", "-D", SPEECH + "/cmn_agent.wav", SPEECH + "/pause.wav", SPEECH + "/en_agent.wav", RUN + "/dialplans/matrix/prompts/eng/greeting.wav", check=True)
        super().__init__(program, RUN + "/tingwa.toml", ROOT, RUN + "/gateway.log")
        self.wait_ready()

    def call(self, caller):
        """Id, entries and recording of the ended call of this caller."""
        for _ in range(80):
            with sqlite3.connect(f"file:{RUN}/var/tingwa.sqlite?mode=ro", uri=True) as db:
                row = db.execute("select id, recording from calls where caller = ? and ended_ms is not null order by id desc", (caller,)).fetchone()
                if row:
                    bodies = db.execute("select body, at_ms from entries where call = ? order by number", (row[0],)).fetchall()
                    return row[0], [{**json.loads(body), "at": at} for body, at in bodies], f"{RUN}/var/recordings/{row[1]}"
            time.sleep(0.1)
        raise AssertionError("the gateway has no ended call of this caller")

    def has_heard(self, caller, phrase, keys):
        _, entries, recording = self.call(caller)
        left = f"{RUN}/left-{caller}.wav"
        sh("sox", recording, left, "remix", "1")
        found(phrase, left)
        pressed = "".join(e["digit"] for e in entries if e["fact"] == "digit")
        if pressed != keys:
            raise AssertionError(f"keys '{pressed}' instead of '{keys}' in the journal")
        return entries


counter = itertools.count(1)


def baresip(gateway, transport, codec, menc, feature=None, to=None):
    caller = f"b{next(counter)}"
    menc = {"none": None, "SDES": "srtp-mand", "DTLS": "dtls_srtp"}[menc]
    phone = Phone(f"{RUN}/phones/{caller}", caller, pbx=to or f"{GATEWAY}:{PORT[transport]}", wav=f"{SPEECH}/silence.wav", transport=transport, codec=codec,
                  menc=menc, cert=PKI + "/both.pem")
    try:
        phone.dial("1823")
        refused = established(phone)
        if refused:
            raise AssertionError(refused)
        if feature == "hold":
            phone.listen(2.2)
            phone.command("hold")
            phone.listen(4)
            phone.command("resume")
            phone.listen(4.5)
        else:
            phone.listen(3)
        phone.say(f"{SPEECH}/yue_bill.wav")
        phone.listen(3)
        phone.keys("57")
        phone.listen(1)
        phone.hang_up()
        heard = phone.heard()
        found("cmn_agent", heard)
    finally:
        phone.close()
    entries = gateway.has_heard(caller, "yue_bill", "57")
    if feature == "hold":
        # baresip 1.0 records no more after a re-INVITE: that the prompt waited, and then went on to its end, the journal tells.
        ended = next(e for e in entries if e["fact"] == "bot_turn_ended")
        if not ended["complete"] or ended["at"] - ended["heard_ms"] < 3500:
            raise AssertionError(f"the prompt did not wait for the caller on hold: {ended}")


def established(phone):
    """None once the call is up; else why it is not."""
    end = time.time() + 10
    while time.time() < end:
        for event in phone.events:
            if event["type"] == "CALL_ESTABLISHED":
                return None
            if event["type"] == "CALL_CLOSED":
                return f"refused: {event.get('param')}"
        phone.listen(0.1)
    return "no answer in 10 s"


def linphone(gateway, transport, codec, menc):
    caller = f"l{next(counter)}"
    folder = f"{RUN}/phones/{caller}"
    os.makedirs(folder + "/.local/share/linphone")
    known = [("opus", 48000, 2), ("speex", 32000, 1), ("speex", 16000, 1), ("speex", 8000, 1), ("PCMU", 8000, 1), ("PCMA", 8000, 1), ("GSM", 8000, 1), ("G722", 8000, 1)]
    codecs = "".join(f"[audio_codec_{i}]\nmime={m}\nrate={r}\nchannels={c}\nenabled={int(m.lower() == codec.lower())}\n" for i, (m, r, c) in enumerate(known))
    port = 15000 + 4 * next(counter)
    write(folder + "/rc", f"[sip]\nsip_port={port}\nsip_tcp_port={port}\nsip_tls_port={port + 1}\ncontact=sip:{caller}@127.0.0.1\nmedia_encryption={'srtp' if menc == 'SDES' else 'none'}\nroot_ca={PKI}/ca.pem\nverify_server_cn=0\n"
          f"[rtp]\naudio_rtp_port=31000-31998\n[sound]\nremote_ring=\n{codecs}")
    record, suffix = folder + "/heard.wav", "" if transport == "udp" else f";transport={transport}"
    steps = [(1, "soundcard use files"), (0, f"play {SPEECH}/later.wav"), (0, f"record {record}"),
             (0.2, f"call sip:1823@{GATEWAY}:{PORT[transport]}{suffix}"), (4.5, "5"), (0.6, "7"), (3.5, "terminate"), (0.5, "quit")]
    process = subprocess.Popen(["linphonec", "-c", folder + "/rc", "-d", "4", "-l", folder + "/log"], stdin=subprocess.PIPE, text=True,
                               stdout=open(folder + "/screen", "w"), stderr=subprocess.STDOUT, env={**os.environ, "HOME": folder})
    try:
        for wait, words in steps:
            time.sleep(wait)
            process.stdin.write(words + "\n")
            process.stdin.flush()
        process.wait(10)
    finally:
        process.kill()
    if "connected" not in open(folder + "/screen", errors="replace").read():
        raise AssertionError("not connected: " + open(folder + "/screen", errors="replace").read()[-120:].replace("\n", " "))
    found("cmn_agent", record)
    gateway.has_heard(caller, "yue_bill", "57")


def sipp(gateway, transport, codec, menc, scenario="uac_matrix", keys="", least=150):
    caller = f"s{next(counter)}"
    folder = f"{RUN}/phones/{caller}"
    os.makedirs(folder)
    number, law = {"PCMA": (8, "al"), "PCMU": (0, "ul")}[codec]
    text = open(f"{HERE}/sipp/{scenario}.xml").read()
    crypto = "a=crypto:[cryptotag1audio] [cryptosuiteaescm128sha1801audio] inline:[cryptokeyparams1audio]\n" if menc == "SDES" else ""
    for old, new in (("@PT@", str(number)), ("@CODEC@", codec), ("@PROFILE@", "SAVP" if crypto else "AVP"), ("@CRYPTO@", crypto), ("@USER@", caller)):
        text = text.replace(old, new)
    write(folder + "/scenario.xml", text)
    how = {"udp": ["-t", "u1"], "tcp": ["-t", "t1"], "tls": ["-t", "l1", "-tls_ca", PKI + "/ca.pem"], "ws": ["-t", "w1"], "wss": ["-t", "x1", "-tls_ca", PKI + "/ca.pem", "-ws_path", "/"]}[transport]
    port = 16000 + 4 * next(counter)
    out = sh(HERE + "/sipp/sipp", f"{GATEWAY}:{PORT[transport]}", "-sf", folder + "/scenario.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-cp", str(port + 1),
             "-min_rtp_port", str(40000 + 8 * next(counter)), "-max_rtp_port", "60000", "-s", "1823", "-key", "play", f"{SPEECH}/later.{law}", "-m", "1", "-timeout", "30",
             "-trace_logs", "-log_file", folder + "/log", "-trace_err", "-error_file", folder + "/errors", "-nostdin", *how, cwd=folder, stdin=subprocess.DEVNULL)
    if out.returncode != 0:
        errors = open(folder + "/errors").read() if os.path.exists(folder + "/errors") else out.stderr + out.stdout
        raise AssertionError(f"SIPp ended with {out.returncode}: {' '.join(errors.split())[-200:]}")
    told = open(folder + "/log").read()
    packets = float(told.split("rtp_in=")[1].split()[0])
    if packets < least:
        raise AssertionError(f"{packets:.0f} packets came back")
    return gateway.has_heard(caller, "yue_bill", keys)


class Asterisk:
    """One Asterisk with an endpoint for each transport, codec and encryption; it calls the gateway and plays, records and presses keys."""

    def __init__(self, name, root):
        self.name, self.root, self.folder = name, root, f"{RUN}/{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in ("etc", "lib/keys", "spool", "run", "log", "tmp", "heard"):
            os.makedirs(f"{self.folder}/{part}")
        modules = next(m for m in (root + "/usr/lib/x86_64-linux-gnu/asterisk/modules", root + "/usr/lib/asterisk/modules") if os.path.isdir(m))
        for path in glob.glob(HERE + "/asterisk/etc/*.conf"):
            text = open(path).read()
            for old, new in (("@MOD@", modules), ("@ROOT@", root), ("@RUN@", self.folder), ("@IP@", "127.0.0.1"), ("@SIP@", "5070"), ("@RTPLO@", "20000"), ("@RTPHI@", "20999")):
                text = text.replace(old, new)
            text = text.replace(f"astetcdir => {self.folder}", f"astetcdir => {self.folder}/etc") if f"{self.folder}/etc" not in text else text
            write(f"{self.folder}/etc/{os.path.basename(path)}", text)
        write(self.folder + "/etc/pjsip.conf", self.endpoints())
        write(self.folder + "/etc/extensions.conf", f"""[main]
exten => talk,1,Answer()
 same => n,MixMonitor({self.folder}/heard/all-${{CHANNEL(endpoint)}}.wav,r({self.folder}/heard/${{CHANNEL(endpoint)}}.wav))
 same => n,Wait(3)
 same => n,Playback({SPEECH}/yue_bill)
 same => n,SendDTMF(57,300,150)
 same => n,Wait(1)
 same => n,Hangup()
exten => 613,1,Answer()
 same => n,Wait(1)
 same => n,SendDTMF(1)
 same => n,Wait(2)
 same => n,Transfer(PJSIP/sip:614@127.0.0.1:5070)
 same => n,Hangup()
exten => 614,1,Answer()
 same => n,Playback({SPEECH}/agent_talks)
 same => n,Wait(3)
 same => n,Hangup()
""")
        for name in ("acl amd agents ari ccss cdr cel chan_websocket cli_aliases confbridge features followme http indications manager pjproject pjsip_notify "
                     "pjsip_wizard queuerules queues res_fax res_http_media_cache res_parking udptl voicemail websocket_client").split():
            if not os.path.exists(f"{self.folder}/etc/{name}.conf"):
                write(f"{self.folder}/etc/{name}.conf", "[general]\n")
        self.environment = {**os.environ, "AST_ROOT": root}
        self.process = subprocess.Popen([HERE + "/asterisk/in-root", "asterisk", "-f", "-C", self.folder + "/etc/asterisk.conf"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=open(self.folder + "/out", "w"), stderr=subprocess.STDOUT)
        for _ in range(150):
            if "fully booted" in self.cli("core waitfullybooted"):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start: {self.folder}/out")

    def endpoints(self):
        out = f"""[global]
type=global
user_agent=Company-PBX
endpoint_identifier_order=ip
[udp]
type=transport
protocol=udp
bind=127.0.0.1:5070
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:5070
[tls]
type=transport
protocol=tls
bind=127.0.0.1:5071
cert_file={PKI}/cert.pem
priv_key_file={PKI}/key.pem
ca_list_file={PKI}/ca.pem
verify_server=yes
method=tlsv1_2
[ep](!)
type=endpoint
context=main
disallow=all
direct_media=no
bind_rtp_to_media_address=yes
media_address=127.0.0.1
send_connected_line=no
dtmf_mode=rfc4733
[gw](ep)
allow=alaw,ulaw,g722,opus
media_encryption=sdes
media_encryption_optimistic=yes
aors=gw
[gw]
type=aor
contact=sip:{GATEWAY}:5060
qualify_frequency=0
[gw]
type=identify
endpoint=gw
match={GATEWAY}/32
"""
        for transport, codec, menc in itertools.product(("udp", "tcp", "tls"), CODECS, ("none", "SDES", "DTLS")):
            name = f"{transport}-{codec}-{menc}"
            allow = {"PCMA": "alaw", "PCMU": "ulaw"}.get(codec, codec.lower())
            suffix = "" if transport == "udp" else f"\\;transport={transport}"
            media = {"none": "no", "SDES": "sdes", "DTLS": "dtls\ndtls_auto_generate_cert=yes\ndtls_verify=fingerprint\ndtls_setup=actpass"}[menc]
            out += f"""[{name}](ep)
allow={allow}
transport={transport}
media_encryption={media}
from_user={self.caller(name)}
aors={name}
[{name}]
type=aor
contact=sip:{GATEWAY}:{PORT[transport]}{suffix}
qualify_frequency=0
"""
        return out

    def caller(self, name):
        return f"{self.name}-{name}"

    def cli(self, words):
        return sh(HERE + "/asterisk/in-root", "asterisk", "-C", self.folder + "/etc/asterisk.conf", "-rx", words, env=self.environment).stdout

    def call(self, gateway, transport, codec, menc):
        name = f"{transport}-{codec}-{menc}"
        self.cli(f"channel originate PJSIP/1823@{name} extension talk@main")
        time.sleep(9.5)
        found("cmn_agent", f"{self.folder}/heard/{name}.wav")
        gateway.has_heard(self.caller(name), "yue_bill", "57")

    def stop(self):
        self.cli("core stop now")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def refer(gateway):
    """A baresip caller is brought to the agent at the PBX, who sends REFER to a colleague: the caller hears the colleague."""
    caller = f"r{next(counter)}"
    phone = Phone(f"{RUN}/phones/{caller}", caller, pbx=f"{GATEWAY}:5060", wav=f"{SPEECH}/silence.wav")
    try:
        phone.dial("1823")
        refused = established(phone)
        if refused:
            raise AssertionError(refused)
        phone.listen(1)
        phone.keys("0")
        phone.listen(14)
        phone.hang_up()
        heard = phone.heard()
    finally:
        phone.close()
    found("agent_talks", heard)


def prepare():
    shutil.rmtree(RUN, ignore_errors=True)
    os.makedirs(RUN)
    sh(HERE + "/speech.sh", SPEECH, check=True)
    sh(HERE + "/pki/make.sh", PKI, check=True)
    sh("sox", "-D", "-n", "-r", "8000", "-c", "1", "-b", "16", SPEECH + "/pause.wav", "trim", "0", "2.5", check=True)
    for kind, out in (("wav", "later.wav"), ("al", "later.al"), ("ul", "later.ul")):
        sh("sox", "-D", SPEECH + "/yue_bill.wav", "-t", kind, f"{SPEECH}/{out}", "pad", "3", "3", check=True)





def main():
    sys.modules["interop"] = sys.modules["__main__"]
    import cells  # what is tried, and the page
    prepare()
    wanted = sys.argv[2:]
    gateway = Gateway(sys.argv[1])
    results = {}
    try:
        cells.run(gateway, wanted, results)
    finally:
        gateway.stop()
    cells.page(results)
    failed = [cell for cell, outcome in results.items() if outcome.startswith("FAILED")]
    print(f"{sum(o == 'ok' for o in results.values())} good, {len(failed)} failed, {len(results) - len(failed) - sum(o == 'ok' for o in results.values())} cannot be")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
