#!/usr/bin/python3
"""check.py TINGWA [NAME-PART...]   Calls between real peers and a real gateway; one line a check, exit 1 when one failed.
Run by run.sh inside a network namespace. Asterisk 22 is the company's PBX (127.0.0.1:5070), the gateway is 127.0.0.10:5060."""
import json, os, subprocess, sys, time
from crm import TOKEN, Crm
from names import NAPTR, SERVICE, SRV, Names
from phone import Phone
import running

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RUN = os.environ.get("PEERS_RUN", "/tmp/tingwa-peers")
SPEECH, TINGWA = RUN + "/speech", sys.argv[1]
CONFIG = RUN + "/tingwa.toml"
GREETING = 13  # seconds; the recording notice in it cannot be spoken over


class Gateway(running.Gateway):
    """The program under test, with its own folder."""

    def __init__(self, changed=lambda text: text):
        os.makedirs(RUN, exist_ok=True)
        with open(CONFIG, "w") as f:
            f.write(changed(open(HERE + "/tingwa.toml").read().replace("@RUN@", RUN).replace("@ROOT@", ROOT)))
        with open(RUN + "/8200.pw", "w") as f:
            f.write("pw8200\n")
        with open(RUN + "/crm.token", "w") as f:
            f.write(TOKEN + "\n")
        super().__init__(TINGWA, CONFIG, ROOT, RUN + "/gateway.log")


def asterisk(*words):
    return subprocess.run([HERE + "/asterisk/ast.sh", *words], capture_output=True, text=True).stdout


def journal(call="last"):
    """Entries of a call, once it has ended."""
    for _ in range(50):
        out = subprocess.run([TINGWA, "why", call, "--json", "--config", CONFIG], cwd=ROOT, capture_output=True, text=True).stdout
        entries = [json.loads(line) for line in out.splitlines()]
        if entries and entries[-1]["entry"]["fact"] == "ended":
            return entries
        time.sleep(0.1)
    return entries


def facts(entries, name):
    return [e["entry"] for e in entries if e["entry"]["fact"] == name]


def found(phrase, recording, least=0.7):
    out = subprocess.run([HERE + "/find.py", f"{SPEECH}/{phrase}.wav", recording, str(least)], capture_output=True, text=True)
    if out.returncode != 0:
        raise AssertionError(f"'{phrase}' not found in {recording}: {out.stdout or out.stderr[-200:]}")
    return out.stdout.split()[0]


def agent(number, answer="auto"):
    phone = Phone(f"{RUN}/phones/agent-{number}", number, password="pw" + number, wav=f"{SPEECH}/silence.wav", answer=answer)
    phone.registered()
    return phone


def customer():
    return Phone(f"{RUN}/phones/customer", "customer", wav=f"{SPEECH}/silence.wav")


def ask_for_person(phone):
    """Dials the hotline through the PBX and asks for a person once the greeting is over."""
    phone.dial("1823")
    phone.wait("CALL_ESTABLISHED", 10)
    phone.listen(GREETING)
    phone.say(f"{SPEECH}/yue_agent.wav")


def check_registration():
    for _ in range(50):
        contacts = asterisk("cli", "pjsip show contacts")
        if "8200" in contacts:
            return "extension 8200"
        time.sleep(0.2)
    raise AssertionError("the gateway is not registered:\n" + contacts)


def check_sipp_speech():
    """SIPp plays Cantonese speech straight to the gateway; the journal shows what was heard and understood."""
    run = subprocess.run([HERE + "/sipp/sipp", "127.0.0.10:5060", "-sf", HERE + "/sipp/uac_play.xml", "-i", "127.0.0.1",
                          "-mi", "127.0.0.1", "-p", "5600", "-min_rtp_port", "40000", "-max_rtp_port", "40038", "-s", "1823",
                          "-key", "user", "91234567", "-key", "play", f"{SPEECH}/yue_bill_later.al", "-key", "hold", "24000",
                          "-m", "1", "-timeout", "40", "-trace_logs", "-log_file", RUN + "/sipp.log", "-nostdin"],
                         stdin=subprocess.DEVNULL, capture_output=True, cwd=RUN)
    assert run.returncode == 0, f"SIPp ended with {run.returncode}: {run.stderr[-300:]}"
    entries = journal()
    heard = "".join(t["text"] for t in facts(entries, "caller_turn"))
    intents = [d["intent"] for d in facts(entries, "decided")]
    assert "查" in heard and "單" in heard, f"heard '{heard}'"
    assert "bill" in intents, f"intents {intents}"
    return f"heard '{heard}', intents {intents}"


def check_warm_transfer():
    """Customer -> Asterisk -> gateway -> Asterisk -> agent, who is briefed, presses 1; both hear each other."""
    a, c = agent("6001"), customer()
    try:
        ask_for_person(c)
        a.wait("CALL_ESTABLISHED", 25)
        a.listen(3)
        a.keys("1")
        a.listen(2)
        a.say(f"{SPEECH}/agent_talks.wav")
        c.say(f"{SPEECH}/yue_bill.wav")
        c.listen(6)
        c.hang_up()
        a.wait("CALL_CLOSED", 5)
        at_agent, at_customer = found("yue_bill", a.heard()), found("agent_talks", c.heard())
    finally:
        a.close(), c.close()
    entries = journal()
    names = [e["entry"]["fact"] for e in entries]
    order = [names.index(n) for n in ("transfer_dialling", "briefing", "transfer_accepted", "bridged")]
    assert order == sorted(order), names
    return f"agent heard the customer ({at_agent}), customer heard the agent ({at_customer})"


def check_agent_busy():
    """6001 refuses with 486 and 6002 is not there: the bot is back, the call goes on."""
    a, c = agent("6001", answer="manual"), customer()
    try:
        ask_for_person(c)
        a.wait("CALL_INCOMING", 25)
        a.hang_up()
        c.listen(8)
        c.hang_up()
    finally:
        a.close(), c.close()
    entries = journal()
    failures = [f["failure"]["why"] for f in facts(entries, "transfer_failed")]
    assert failures and failures[0] == "busy", failures
    assert facts(entries, "transfer_given_up"), "the bot is not back"
    return f"failures {failures}, the bot is back"


def check_agent_silent():
    """6001 rings and nobody answers: the next target is tried, then the bot is back."""
    a, c = agent("6001", answer="manual"), customer()
    try:
        ask_for_person(c)
        a.wait("CALL_INCOMING", 25)
        a.wait("CALL_CLOSED", 40)
        c.listen(5)
        c.hang_up()
    finally:
        a.close(), c.close()
    failures = [f["failure"]["why"] for f in facts(journal(), "transfer_failed")]
    assert failures and failures[0] == "no_answer", failures
    return f"failures {failures}"


def check_caller_gone():
    """The customer hangs up while the agent's phone rings: it stops ringing at once."""
    a, c = agent("6001", answer="manual"), customer()
    try:
        ask_for_person(c)
        a.wait("CALL_INCOMING", 25)
        c.hang_up()
        before = time.time()
        a.wait("CALL_CLOSED", 5)
        took = time.time() - before
    finally:
        a.close(), c.close()
    causes = [e["cause"] for e in facts(journal(), "ended")]
    assert causes == ["caller_hung_up"], causes
    return f"agent's phone stopped after {took * 1000:.0f} ms"


def book(crm, **how):
    """Books a technician's visit by keys, with the stub CRM as told; the call's entries."""
    for name, value in how.items():
        setattr(crm, name, value)
    c = customer()
    try:
        c.dial("1823")
        c.wait("CALL_ESTABLISHED", 10)
        c.listen(GREETING)
        c.keys("4")
        c.listen(8)
        c.keys("91234567")
        c.listen(9 + crm.slow)
        if not crm.broken:
            c.keys("1")
            c.listen(8 + 2 * crm.slow)
        c.hang_up()
    finally:
        c.close()
    entries = journal()
    assert TOKEN not in json.dumps(entries), "the secret is in the journal"
    assert TOKEN not in open(RUN + "/gateway.log").read(), "the secret is in the log"
    return entries


def check_tool_books():
    """A call books a visit at the stub CRM: looked up, read back, agreed to, booked."""
    crm = Crm()
    try:
        entries = book(crm)
    finally:
        crm.close()
    assert crm.requests and crm.requests[0][:2] == ("GET", "/visits/free?phone=91234567"), crm.requests
    assert [r[0] for r in crm.requests] == ["GET", "POST"] and json.loads(crm.requests[1][2])["phone"] == "91234567", crm.requests
    answers = facts(entries, "tool_answered")
    prompts = [t["prompt"] for t in facts(entries, "bot_turn")]
    assert [a["status"] for a in answers] == [200, 201] and "visit_booked" in prompts, (answers, prompts)
    return f"answers after {[a['ms'] for a in answers]} ms, said {prompts[-1]}"


def check_tool_slow():
    """The CRM takes 2.5 s: the caller hears the filler, and no silence of 4 s."""
    crm = Crm()
    try:
        entries = book(crm, slow=2.5)
    finally:
        crm.close()
    prompts = [t["prompt"] for t in facts(entries, "bot_turn")]
    assert "one_moment" in prompts and "visit_booked" in prompts, prompts
    gaps = []
    for called in (i for i, e in enumerate(entries) if e["entry"]["fact"] == "tool_called"):
        gaps.append(next(e["at"] for e in entries[called:] if e["entry"]["fact"] == "bot_turn") - entries[called]["at"])
    assert gaps and max(gaps) < 4000, gaps
    return f"the caller heard something after {gaps} ms"


def check_tool_fails():
    """The CRM answers 500: the error branch, a human, and nothing booked."""
    crm = Crm()
    try:
        entries = book(crm, broken=True)
    finally:
        crm.close()
    rules = [d["rule"] for d in facts(entries, "decided")]
    assert "tool_failed:free_visit" in rules and facts(entries, "transfer_dialling"), rules
    assert all(r[0] == "GET" for r in crm.requests), crm.requests
    return f"rules {rules[-3:]}"


def check_crash():
    """kill -9 in mid-call: the next start closes the record and the recording plays."""
    global gateway
    c = customer()
    try:
        c.dial("1823")
        c.wait("CALL_ESTABLISHED", 10)
        c.listen(4)
        gateway.process.kill()
        gateway.process.wait()
        c.hang_up()
    finally:
        c.close()
    gateway = Gateway()
    gateway.wait_ready()
    entries = journal()
    assert facts(entries, "ended")[0]["cause"] == "crashed"
    path = f"{RUN}/var/recordings/" + facts(entries, "recording_started")[0]["path"]
    seconds = float(subprocess.run(["soxi", "-D", path], capture_output=True, text=True, check=True).stdout)
    assert seconds > 2, f"{seconds} s of recording"
    return f"record closed, {seconds:.1f} s of recording"


def bridged():
    """A customer who presses 0 is bridged with 6001; the journal, and how long it took from dialling to ringing."""
    a, c = agent("6001"), customer()
    try:
        c.dial("1823")
        c.wait("CALL_ESTABLISHED", 10)
        c.listen(GREETING)
        c.keys("0")
        a.wait("CALL_ESTABLISHED", 40)
        a.listen(3)
        a.keys("1")
        a.listen(2)
        c.hang_up()
        a.wait("CALL_CLOSED", 5)
    finally:
        a.close(), c.close()
    entries = journal()
    at = {e["entry"]["fact"]: e["at"] for e in entries if e["entry"]["fact"] in ("transfer_dialling", "transfer_ringing", "bridged")}
    assert "bridged" in at, entries[-6:]
    return entries, (at["transfer_ringing"] - at["transfer_dialling"]) / 1000


def restart(changed=lambda text: text):
    global gateway
    gateway.stop()
    gateway = Gateway(changed)
    gateway.wait_ready()


def registered(seconds):
    for _ in range(seconds * 5):
        if "registered" in open(RUN + "/gateway.log").read():
            return
        time.sleep(0.2)
    raise AssertionError("not registered:\n" + open(RUN + "/gateway.log").read()[-1500:])


def check_dead_address():
    """The PBX is a name; the first address that DNS gives is dead: it registers and calls by the second."""
    names = Names()
    try:
        restart(lambda text: text.replace("sip:127.0.0.1:5070", "sip:pbx.test"))
        registered(30)
        entries, seconds = bridged()
        asked = set(names.asked)
        assert ("pbx.test", NAPTR) in asked and (SERVICE, SRV) in asked, asked
    finally:
        names.close()
        restart()
    assert facts(entries, "transfer_failed") == [], entries
    return f"looked up, rang {seconds:.1f} s after dialling"


def check_dead_trunk():
    """A group of two trunks, the first of them dead: the call goes by the second, and the journal says so."""
    dead = '[[trunk]]\nname = "first"\ngroup = "pbx"\npriority = 1\nuri = "sip:127.0.0.99:5070"\n\n'
    second = 'name = "second"\ngroup = "pbx"\npriority = 2\n'
    restart(lambda text: text.replace("[[trunk]]", dead + "[[trunk]]", 1).replace('name = "pbx"\n', second))
    try:
        registered(30)
        entries, seconds = bridged()
    finally:
        restart()
    by = [(entry["trunk"], entry.get("after")) for entry in facts(entries, "goes_by")]
    assert by == [("first", None), ("second", 408)], by
    assert 3.5 < seconds < 6, seconds
    return f"rang {seconds:.1f} s after dialling"


CHECKS = [check_registration, check_sipp_speech, check_warm_transfer, check_agent_busy, check_agent_silent, check_caller_gone,
          check_tool_books, check_tool_slow, check_tool_fails, check_crash, check_dead_address, check_dead_trunk]


def main():
    global gateway
    subprocess.run(["rm", "-rf", RUN + "/var", RUN + "/phones"], check=True)
    subprocess.run([HERE + "/speech.sh", SPEECH], check=True)
    # SIPp cannot wait before it plays: the greeting's time goes in front of the words.
    subprocess.run(["sox", "-D", f"{SPEECH}/yue_bill.wav", "-t", "al", f"{SPEECH}/yue_bill_later.al", "pad", str(GREETING), "12"], check=True)
    subprocess.run([HERE + "/asterisk/ast.sh", "start"], check=True)
    gateway = Gateway()
    try:
        gateway.wait_ready()
        failed = running.run(CHECKS, "peers", sys.argv[2:])
    finally:
        gateway.stop()
        asterisk("stop")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
