"""Which cells there are, why some cannot be, and the page that shows them."""
import concurrent.futures, itertools, json, os, subprocess, time
import interop as i

NO_DTLS = "the gateway keys SRTP by SDES; DTLS-SRTP with telephones is not built"
ALWAYS = ["none", "SDES"]


def cells():
    """(peer, transport, codec, encryption, feature) to a function that runs it, or to the reason why it cannot be."""
    all_ = {}
    for transport, codec, menc in itertools.product(("udp", "tcp", "tls"), i.CODECS, ("none", "SDES", "DTLS")):
        all_["baresip", transport, codec, menc, "call"] = NO_DTLS if menc == "DTLS" else ("baresip", lambda g, x=(transport, codec, menc): i.baresip(g, *x))
        all_["linphone", transport, codec, menc, "call"] = NO_DTLS if menc == "DTLS" else ("linphone", lambda g, x=(transport, codec, menc): i.linphone(g, *x))
        for peer in ("asterisk22", "asterisk16"):
            all_[peer, transport, codec, menc, "call"] = NO_DTLS if menc == "DTLS" else (peer, lambda g, x=(transport, codec, menc), p=peer: SERVERS[p].call(g, *x))
        all_["kamailio", transport, codec, menc, "call"] = NO_DTLS if menc == "DTLS" else (
            "kamailio", lambda g, x=(transport, codec, menc): i.baresip(g, *x, to="127.0.0.1:" + ("5085" if x[0] == "tls" else "5080")))
    for transport, codec, menc in itertools.product(("udp", "tcp", "tls", "wss"), ("PCMA", "PCMU"), ALWAYS):
        all_["sipp", transport, codec, menc, "call"] = ("sipp", lambda g, x=(transport, codec, menc): i.sipp(g, *x))
    for codec in ("G722", "opus"):
        all_["sipp", "any", codec, "any", "call"] = "SIPp sends files of G.711 bytes; G.722 and Opus are tried with telephones"
    for peer in ("baresip", "linphone", "asterisk22", "asterisk16", "kamailio"):
        all_[peer, "wss", "any", "any", "call"] = "calls over WebSockets as a client are not what this peer does" if peer != "kamailio" else "Kamailio's WebSocket module is not tried"
    for transport, menc in (("udp", "none"), ("tls", "SDES")):
        all_["baresip", transport, "PCMA", menc, "hold"] = ("baresip", lambda g, x=(transport, "PCMA", menc): i.baresip(g, *x, feature="hold"))
    all_["sipp", "udp", "PCMA", "none", "hold"] = ("sipp", lambda g: i.sipp(g, "udp", "PCMA", "none", scenario="uac_hold", least=100))
    all_["sipp", "udp", "PCMA", "none", "keys by INFO"] = ("sipp", lambda g: i.sipp(g, "udp", "PCMA", "none", scenario="uac_info", keys="57"))
    for peer in ("asterisk22", "asterisk16"):
        all_[peer, "udp", "PCMA", "none", "REFER"] = (peer, lambda g: i.refer(g))
    all_["any", "any", "any", "any", "keys to the peer"] = "keys of one side of a bridge reach the other (simulated world); the gateway presses none itself; not tried here"
    all_["any", "any", "any", "any", "Replaces"] = "held by the simulated world; not tried here, as none of these peers sends it from a script"
    for peer in ("linphone", "kamailio"):
        all_[peer, "udp", "PCMA", "none", "hold, REFER"] = "not tried with this peer"
    all_["baresip", "udp", "PCMA", "none", "REFER"] = "as a caller it may name telephones of the dialplan only; tried from the PBX's side, with Asterisk"
    return all_


SERVERS = {}
RESULTS = i.RUN + ".json"


def with_peer(peer):
    """What must run beside the gateway for this peer's cells; whether it can be had."""
    if peer == "asterisk22":
        SERVERS[peer] = i.Asterisk(peer, os.environ.get("AST_ROOT", "/opt/asterisk-root"))
        return SERVERS[peer].stop
    if peer == "asterisk16":
        root = os.environ.get("AST16_ROOT", "/opt/asterisk16-root")
        if not os.path.isdir(root):
            return None
        SERVERS[peer] = i.Asterisk(peer, root)
        return SERVERS[peer].stop
    if peer == "kamailio":
        environment = {**os.environ, "KAM_TLS": "1", "KAM_RUN": i.RUN + "/kamailio"}
        subprocess.run([i.HERE + "/kamailio/run.sh", "start", f"sip:{i.GATEWAY}:5060"], env=environment, check=True, stdout=subprocess.DEVNULL)
        time.sleep(2.5)  # a target counts once it has answered OPTIONS
        return lambda: subprocess.run([i.HERE + "/kamailio/run.sh", "stop"], env=environment, stdout=subprocess.DEVNULL)
    return lambda: None


def outcome(gateway, run):
    try:
        run(gateway)
        return "ok"
    except AssertionError as error:
        return f"FAILED: {error}"
    except Exception as error:
        return f"FAILED: {error!r}"


def run(gateway, wanted, results):
    """Runs the cells of the peers wanted, or all; "failed": those that failed the last time. What is not run stays as it was."""
    all_ = cells()
    if wanted and os.path.exists(RESULTS):
        results.update({tuple(cell): what for cell, what in json.load(open(RESULTS))})
    before = dict(results)
    for peer in ("asterisk22", "baresip", "kamailio", "sipp", "linphone", "asterisk16"):
        mine = {cell: what for cell, what in all_.items() if cell[0] == peer}
        if wanted == ["failed"]:
            mine = {cell: what for cell, what in mine.items() if before.get(cell, "FAILED").startswith("FAILED")}
        if not mine or wanted and wanted != ["failed"] and peer not in wanted:
            continue
        stop = with_peer(peer)
        with concurrent.futures.ThreadPoolExecutor(i.AT_ONCE) as pool:
            running = {}
            for cell, what in mine.items():
                if isinstance(what, str):
                    results[cell] = what
                elif stop is None:
                    results[cell] = "this peer cannot be had here"
                else:
                    running[cell] = pool.submit(outcome, gateway, what[1])
            for cell, future in running.items():
                results[cell] = future.result()
                print("interop:", *cell, results[cell], flush=True)
        if stop:
            stop()
    for cell, what in all_.items():
        if cell[0] == "any":
            results[cell] = what
    json.dump([[list(cell), what] for cell, what in results.items()], open(RESULTS, "w"))


PEERS = {"asterisk22": "Asterisk 22", "asterisk16": "Asterisk 16", "kamailio": "Kamailio in front (baresip behind it)", "baresip": "baresip 1.0", "linphone": "linphone 5.1",
         "sipp": "SIPp 3.8"}


def page(results):
    """One table a peer: transports by codec and encryption."""
    reasons, lines = [], ["# Interoperation", "",
                          "Made by `tests/peers/matrix.sh`; not edited by hand. Every cell is a real call to the gateway in a network namespace: **ok** = the peer heard the greeting, "
                          "the gateway heard what the peer said, and the keys 5 and 7 stand in the journal (RFC 4733). A number is a reason below.", ""]

    def mark(text):
        if text == "ok":
            return "ok"
        if text not in reasons:
            reasons.append(text)
        return f"({reasons.index(text) + 1})"

    for peer, title in PEERS.items():
        calls = {cell[1:4]: what for cell, what in results.items() if cell[0] == peer and cell[4] == "call"}
        if not calls:
            continue
        ways = sorted({cell[0] for cell in calls} - {"any"}, key=["udp", "tcp", "tls", "ws", "wss"].index)
        lines += [f"## {title}", "", "| | " + " | ".join(w.upper() for w in ways) + " |", "|---|" + "---|" * len(ways)]
        for codec, menc in itertools.product(i.CODECS, ("none", "SDES", "DTLS")):
            row = []
            for way in ways:
                what = next((calls[k] for k in ((way, codec, menc), (way, "any", "any"), ("any", codec, "any")) if k in calls), None)
                row.append(mark(what) if what else "-")
            if any(cell != "-" for cell in row):
                lines.append(f"| {codec}, {'RTP' if menc == 'none' else menc} | " + " | ".join(row) + " |")
        lines.append("")
        for cell, what in results.items():
            if cell[0] == peer and cell[4] != "call":
                lines.append(f"- {cell[4]} ({cell[1].upper()}, {cell[2]}, {'RTP' if cell[3] == 'none' else cell[3]}): {mark(what)}")
        lines.append("")
    for cell, what in results.items():
        if cell[0] == "any":
            lines.append(f"- {cell[4]}: {mark(what)}")
    lines += ["", "## Reasons", ""] + [f"{n}. {reason}" for n, reason in enumerate(reasons, 1)] + [""]
    path = i.HERE + "/interop.md"
    open(path, "w").write("\n".join(lines))
    print("page:", path)
