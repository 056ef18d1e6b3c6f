"""Measures Lockstep and PyTorch in turn and prints tables; scripts/bench begins it.

PyTorch counts in its fastest configuration. A short first round finds the two fastest; only these two then take turns
with Lockstep. A round's measurements are neighbours in time, so the ratio of a round suffers least from noise: told are
the median of the rounds' ratios and their spread.
"""

import argparse
import os
import shutil
import statistics
import sys

from sides import Failure, Lockstep, PyTorch
from tasks import WORKLOADS, configurations


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"bench: {text}")


class Comparison:
    """What was measured of one workload on so many ranks."""

    def __init__(self, workload, ranks):
        self.workload, self.ranks = workload, ranks
        self.theirs = {}  # configuration: records
        self.ours = []
        self.single = []  # samples a second of independent runs side by side, together

    def rates(self, records):
        return [record["samplesPerSecond"] for record in records]

    @property
    def fastest(self):
        return max(self.theirs, key=lambda name: statistics.median(self.rates(self.theirs[name])))

    @property
    def ratios(self):
        theirs = self.rates(self.theirs[self.fastest])
        return [a / b for a, b in zip(self.rates(self.ours), theirs)]

    @property
    def efficiencies(self):
        return [a / b for a, b in zip(self.rates(self.ours), self.single)]

    def row(self):
        theirs = self.theirs[self.fastest]
        memory = [max(record["peakMemoryMiB"] for record in records) for records in (theirs, self.ours)]
        ratios = self.ratios
        cells = [
            self.workload, f"{grouped(self.rates(theirs))} ({self.fastest})", grouped(self.rates(self.ours)),
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{memory[0]:,.0f}", f"{memory[1]:,.0f}", f"{memory[1] / memory[0]:.2f}",
        ]
        if self.single:
            efficiencies = self.efficiencies
            cells.append(f"{statistics.median(efficiencies):.2f} ({min(efficiencies):.2f} to {max(efficiencies):.2f})")
        return cells


def grouped(rates):
    rate = statistics.median(rates)
    return f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}"


def start_peers(workload, ranks, options):
    peers = []
    for name in configurations(workload, options.compiles):
        try:
            peers.append(PyTorch(workload, name, ranks))
        except Failure as failure:
            say(f"  {workload}: PyTorch {name} is left out: {failure}")
    if not peers:
        fail(f"PyTorch cannot train {workload} here")
    return peers


def compare(workload, ranks, options):
    result = Comparison(workload, ranks)
    lockstep = Lockstep(options.lockstep, workload)
    peers = start_peers(workload, ranks, options)
    try:
        first = {peer: peer.measure(min(options.seconds, 1.0))["samplesPerSecond"] for peer in peers}
        say(f"  {workload}: " + ", ".join(f"{peer.configuration} {first[peer]:,.1f}" for peer in peers))
        kept = sorted(peers, key=first.get, reverse=True)[:2]
        for peer in peers:
            if peer not in kept:
                peer.stop()
        result.theirs = {peer.configuration: [] for peer in kept}
        turns = [lambda peer=peer: result.theirs[peer.configuration].append(peer.measure(options.seconds))
                 for peer in kept]
        turns.append(lambda: result.ours.append(lockstep.measure(options.seconds, ranks)))
        if ranks > 1:
            turns.append(lambda: result.single.append(lockstep.measure_side_by_side(options.seconds, ranks)))
        for number in range(options.rounds):
            # In another order each round, so that nobody always follows the same one.
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn()
            say(f"  {workload}: round {number + 1} of {options.rounds}: {result.fastest} "
                f"{result.theirs[result.fastest][-1]['samplesPerSecond']:,.1f}, Lockstep "
                f"{result.ours[-1]['samplesPerSecond']:,.1f} samples/s")
    except Failure as failure:
        fail(f"{workload}: {failure}")
    finally:
        for peer in peers:
            peer.stop()
    return result


def table(comparisons, ranks):
    head = ["model", "PyTorch samples/s (fastest)", "Lockstep samples/s", "ratio (spread)", "PyTorch MiB", "Lockstep MiB",
            "ratio"]
    if ranks > 1:
        head[1] = "PyTorch DDP samples/s (fastest)"
        head.append(f"of {ranks} independent runs (spread)")
    rows = [head, ["---"] * len(head)] + [comparison.row() for comparison in comparisons]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def has_compiler():
    return any(shutil.which(name) for name in (os.environ.get("CXX"), "g++", "clang++") if name)


def check(options, parser):
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"unknown workload {unknown[0]!r}: expected one of {', '.join(WORKLOADS)}")
    if options.compiles and not has_compiler():
        say("bench: there is no C++ compiler, which torch.compile needs: going on without. On Debian: apt install g++")
        options.compiles = False
    cores = len(os.sched_getaffinity(0))
    if options.ranks is None:
        options.ranks = [1, 2] if cores > 1 else [1]
    if max(options.ranks) > cores:
        fail(f"--ranks {max(options.ranks)} needs as many cores; there are {cores}")
    if max(options.ranks) > 1 and not shutil.which("mpirun"):
        fail("there is no mpirun, which starts Lockstep's ranks. On Debian: apt install openmpi-bin; or: --ranks 1")


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    parse.__name__ = kind.__name__
    return parse


def rank_list(text):
    return [positive(int)(part) for part in text.split(",")]


def parsed():
    parser = argparse.ArgumentParser(prog="bench", description="Lockstep and PyTorch, measured in turn.")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--lockstep", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=positive(int))
    parser.add_argument("--seconds", type=positive(float))
    parser.add_argument("--ranks", type=rank_list)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-compile", dest="compiles", action="store_false")
    options = parser.parse_intermixed_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 2.0)
    check(options, parser)
    return options


def main():
    options = parsed()
    tables = []
    for ranks in options.ranks:
        processes = "1 process" if ranks == 1 else f"{ranks} processes"
        say(f"{processes}, one thread each, {options.rounds} rounds of {options.seconds:g} s")
        comparisons = [compare(name, ranks, options) for name in options.workloads or WORKLOADS]
        title = f"{processes}, one thread each, medians of {options.rounds} rounds of {options.seconds:g} s in turn"
        tables.append(f"{title}:\n\n{table(comparisons, ranks)}")
    print("\n\n".join(tables), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
