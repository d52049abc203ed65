"""A scripted telephone: one headless baresip 1.0 driven over its ctrl_tcp port (JSON in netstrings)."""
import glob, json, os, shutil, signal, socket, subprocess, time

HOST = "127.0.0.1"
MODULES = "g711 g722 opus srtp dtls_srtp aufile aubridge sndfile".split()
# Rate and channels: a name alone is looked up as 8000/1.
CODECS = {"PCMA": (8000, 1), "PCMU": (8000, 1), "G722": (16000, 1), "opus": (48000, 2)}


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


class Phone:
    """`password` makes it register; `answer` is baresip's answer mode: manual or auto; `menc` srtp-mand or dtls_srtp; `cert` with its
    key makes it a TLS server."""

    def __init__(self, folder, user, password=None, pbx="127.0.0.1:5070", wav=None, answer="manual", transport="udp", codec="PCMA", menc=None,
                 cert=None, port=0):
        self.folder, self.pbx, self.events, self.buffer, self.asked, self.codec = folder, pbx, [], b"", 0, codec
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        account = f"<sip:{user}@{pbx};transport={transport}>;regint={60 if password else 0};audio_codecs={codec}/{CODECS[codec][0]}/{CODECS[codec][1]};answermode={answer}"
        if password:
            account += f";auth_user={user};auth_pass={password}"
        if menc:
            account += f";mediaenc={menc}"
        self._write("accounts", account + "\n")
        self._write("contacts", "")
        control = free_port()
        config = ["poll_method epoll", f"sip_listen {HOST}:{port}", "call_local_timeout 120", "call_max_calls 4",
                  f"audio_source aufile,{self._audio(wav)}", "audio_player aubridge,sink", "audio_level no",
                  "rtp_ports 30000-30998", "jitter_buffer_delay 2-10", "module_path /usr/lib/baresip/modules"]
        config += [f"module {m}.so" for m in MODULES]
        config += ["module_tmp uuid.so", "module_tmp account.so", "module_app menu.so", "module_app ctrl_tcp.so",
                   "module_app debug_cmd.so", f"ctrl_tcp_listen {HOST}:{control}", f"snd_path {folder}",
                   "ringback_disabled yes", "statmode_default off", "redial_attempts 0"]
        if cert:
            config.append(f"sip_certificate {cert}")
        self._write("config", "\n".join(config) + "\n")
        self.log = open(f"{folder}/baresip.log", "wb")
        self.process = subprocess.Popen(["baresip", "-4", "-n", HOST, "-f", folder],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(100):
            try:
                self.socket = socket.create_connection((HOST, control), 1)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"baresip did not start; see {folder}/baresip.log")

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(text)

    def _audio(self, wav):
        """At the codec's rate, with five minutes of silence behind it: baresip ends the call at the end of the file."""
        out = f"{self.folder}/source-{time.monotonic_ns()}.wav"
        rate, channels = CODECS[self.codec]
        source, effect = ([wav], ["pad", "0", "300"]) if wav else (["-n", "-r", "8000", "-c", "1"], ["trim", "0", "300"])
        subprocess.run(["sox", "-D", *source, "-r", str(rate), "-c", str(channels), "-b", "16", out, *effect], check=True)
        return out

    def command(self, name, parameters="", timeout=5):
        self.asked += 1
        message = json.dumps({"command": name, "params": parameters, "token": str(self.asked)}).encode()
        self.socket.sendall(b"%d:%s," % (len(message), message))
        end = time.time() + timeout
        while time.time() < end:
            for m in self._read(end - time.time()):
                if m.get("response") and m.get("token") == str(self.asked):
                    if not m.get("ok"):
                        raise RuntimeError(f"{name} {parameters}: {m.get('data')}")
                    return m.get("data", "")
        raise TimeoutError(name)

    def _read(self, timeout):
        self.socket.settimeout(max(0.01, min(timeout, 0.2)))
        try:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("baresip went away")
            self.buffer += data
        except TimeoutError:
            pass
        messages = []
        while b":" in self.buffer:
            length, rest = self.buffer.split(b":", 1)
            length = int(length)
            if len(rest) <= length:
                break
            messages.append(json.loads(rest[:length]))
            self.buffer = rest[length + 1:]
        self.events += [m for m in messages if m.get("event")]
        return messages

    def wait(self, kind, timeout=10):
        """The first event of this kind not yet taken."""
        end = time.time() + timeout
        while True:
            for i, m in enumerate(self.events):
                if m["type"] == kind:
                    del self.events[:i + 1]
                    return m
            if time.time() > end:
                raise TimeoutError(f"{os.path.basename(self.folder)}: no {kind} in {timeout} s")
            self._read(end - time.time())

    def listen(self, seconds):
        """Lets time pass, taking in events."""
        end = time.time() + seconds
        while time.time() < end:
            self._read(end - time.time())

    def registered(self, timeout=10):
        end = time.time() + timeout
        while "OK" not in self.command("reginfo"):
            if time.time() > end:
                raise TimeoutError("not registered")
            self.listen(0.1)

    def dial(self, number):
        self.command("dial", f"sip:{number}@{self.pbx}")

    def say(self, wav):
        self.command("ausrc", "aufile," + self._audio(wav))

    def keys(self, digits):
        for digit in digits:
            self.command("sndcode", digit)
            self.listen(0.15)

    def hang_up(self):
        self.command("hangup")

    def heard(self):
        """The recording of what this phone received, after the call."""
        self.listen(0.3)
        files = sorted(glob.glob(f"{self.folder}/dump-*-dec.wav"))
        return files[-1] if files else None

    def close(self):
        if self.process.poll() is None:
            try:
                self.command("quit", timeout=2)
                self.process.wait(5)
            except Exception:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(3)
                except subprocess.TimeoutExpired:
                    self.process.kill()
        for f in glob.glob(f"{self.folder}/source-*.wav"):
            os.unlink(f)
