"""What every set of checks with real peers needs: the gateway as a process, and one line a check."""
import subprocess, sys, time


class Gateway:
    """The program under test; its log is its standard output."""

    def __init__(self, program, config, root, log, env=None):
        self.log = log
        with open(log, "w") as out:
            self.process = subprocess.Popen([program, "serve", "--config", config], cwd=root, stdout=out, stderr=subprocess.STDOUT, env=env)

    def wait_ready(self, seconds=180):
        for _ in range(10 * seconds):
            if "ready" in open(self.log).read():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("the gateway did not get ready:\n" + open(self.log).read()[-2000:])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def run(checks, peers, parts):
    """Runs the checks, of which a name holds one of the parts (none: all); how many failed."""
    failed = passed = 0
    for check in checks:
        name = check.__name__.removeprefix("check_")
        if parts and not any(part in name for part in parts):
            continue
        began = time.time()
        try:
            word, note = "ok    ", check()
            passed += 1
        except Exception as error:
            word, note = "FAILED", repr(error)
            failed += 1
        print(f"{peers}: {word} {name:<16} {time.time() - began:5.1f} s  {note}", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed
