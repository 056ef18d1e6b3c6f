"""The two sides of scripts/bench as processes: PyTorch's, which stay and measure when they are told to, and
Lockstep's, which are begun anew for each measurement."""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
READY_LIMIT = 900  # seconds that PyTorch may take to compile a model
MEASURE_LIMIT = 180  # seconds that a measurement may take beyond what was asked


class Failure(Exception):
    """A side that could not measure, with what it said."""


def environment(**more):
    """Both sides on one thread, whatever the surroundings say."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **more}


class Process:
    """One rank of PyTorch."""

    def __init__(self, workload, configuration, variables):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "peer.py"), workload, configuration],
            env=environment(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failure(self.last_words() or str(error)) from error

    def answer(self, limit):
        try:
            record = self.lines.get(timeout=limit)
        except queue.Empty:
            raise Failure(f"no answer within {limit:g} s") from None
        if record is None:
            raise Failure(self.last_words())
        return record

    def last_words(self):
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with status {self.process.poll()}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


class PyTorch:
    """A workload in one configuration, in as many processes as there are ranks."""

    def __init__(self, workload, configuration, ranks):
        self.configuration = configuration
        self.folder = tempfile.mkdtemp(prefix="lockstep-bench-")
        self.processes = []
        try:
            for rank in range(ranks):
                variables = {}
                if ranks > 1:
                    variables = {
                        "RANK": str(rank), "WORLD_SIZE": str(ranks), "STORE": os.path.join(self.folder, "store"),
                        # All ranks are here: no need for names that resolve.
                        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
                    }
                self.processes.append(Process(workload, configuration, variables))
            for process in self.processes:
                process.answer(READY_LIMIT)
        except BaseException:
            self.stop()
            raise

    def measure(self, seconds):
        for process in self.processes:
            process.tell(repr(seconds))
        records = [process.answer(seconds + MEASURE_LIMIT) for process in self.processes]
        return {**records[0], "peakMemoryMiB": max(record["peakMemoryMiB"] for record in records)}

    def stop(self):
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Lockstep:
    """`lockstep bench WORKLOAD`: one process, or several ranks under mpirun."""

    def __init__(self, path, workload):
        self.path, self.workload = path, workload

    def command(self, seconds):
        return [self.path, "bench", self.workload, "--seconds", repr(seconds), "--json"]

    def measure(self, seconds, ranks=1):
        if ranks == 1:
            return self.record(self.start(self.command(seconds)), seconds)
        mpirun = ["mpirun", "-np", str(ranks)]
        return self.record(self.start(mpirun + self.command(seconds)), seconds)

    def measure_side_by_side(self, seconds, count):
        """As many single processes at a time, each on a core of its own: their rates, added up."""
        cores = sorted(os.sched_getaffinity(0))
        processes = [self.start(self.command(seconds), core=cores[number]) for number in range(count)]
        return sum(self.record(process, seconds)["samplesPerSecond"] for process in processes)

    def start(self, command, core=None):
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
        return subprocess.Popen(
            command, env=environment(**root), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=pin)

    def record(self, process, seconds):
        try:
            out, errors = process.communicate(timeout=seconds + MEASURE_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"`{' '.join(process.args)}` took more than {seconds + MEASURE_LIMIT:g} s") from None
        for line in out.splitlines():
            if line.startswith("{"):
                return json.loads(line)
        raise Failure(f"`{' '.join(process.args)}` ended with status {process.returncode}:\n{errors.strip()}")
