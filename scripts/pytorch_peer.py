"""PyTorch as the peer of `lockstep bench`: the same training steps, measured in turn.

usage: pytorch_peer.py measure WORKLOAD --seconds S
           trains on one thread and prints one JSON line with the keys of `lockstep bench --json`
       pytorch_peer.py compare WORKLOAD... --lockstep PATH --rounds N --seconds S
           runs both in turn, each in a process of its own, N times; prints a table and returns 1 if one failed

A step is forward, mean cross-entropy, backward and update, on one batch that stays in memory. PyTorch runs eagerly
with its fastest optimizers (fused Adam, foreach SGD); models of images in both memory formats, of which the faster
counts. Machines are noisy: compare ratios, not samples a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures"))

# name: batch, inputs (the shape of a sample, or the number of its tokens), optimizer
WORKLOADS = {
    "mlp-small": (64, (784,), "sgd"),
    "mlp": (128, (784,), "adam"),
    "lenet": (64, (1, 28, 28), "adam"),
    "resnet20": (64, (3, 32, 32), "sgd"),
    "lstm": (32, 64, "adam"),
    "gpt-tiny": (12, 64, "adamw"),
    "gpt": (8, 256, "adamw"),
}
WARM_UP_STEPS = 3
LEAST_STEPS = 5
TIME_LIMIT = 120  # seconds that a measurement may take beyond what was asked


def build(workload):
    import models

    return {
        "mlp-small": lambda: models.perceptron(784, 128, 10),
        "mlp": lambda: models.perceptron(784, 1024, 1024, 10),
        "lenet": models.lenet,
        "resnet20": models.ResNet,
        "lstm": lambda: models.RecurrentLanguageModel(width=256, layers=2),
        "gpt-tiny": lambda: models.GPT(context=64, width=128, layers=4, heads=4),
        "gpt": lambda: models.GPT(context=256, width=384, layers=6, heads=6),
    }[workload]()


def measure(workload, seconds):
    formats = [False, True] if isinstance(WORKLOADS[workload][1], tuple) and len(WORKLOADS[workload][1]) == 3 else [False]
    records = [measure_format(workload, seconds / len(formats), channels_last) for channels_last in formats]
    print(json.dumps(max(records, key=lambda record: record["samplesPerSecond"])))


def measure_format(workload, seconds, channels_last):
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(1)
    batch, shape, rule = WORKLOADS[workload]
    model = build(workload)
    if isinstance(shape, int):
        inputs = torch.randint(0, 65, (batch, shape))
        labels = torch.randint(0, 65, (batch * shape,))
    else:
        inputs, labels = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
    if channels_last:
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    optimizer = {
        "sgd": lambda: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, foreach=True),
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=1e-3, fused=True),
        "adamw": lambda: torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True),
    }[rule]()
    criterion = nn.CrossEntropyLoss()

    def step():
        logits = model(inputs)
        criterion(logits.reshape(-1, logits.shape[-1]), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(WARM_UP_STEPS):
        step()
    durations, end = [], time.perf_counter() + seconds
    before = time.perf_counter()
    while before < end or len(durations) < LEAST_STEPS:
        step()
        after = time.perf_counter()
        durations.append(after - before)
        before = after
    deciles = statistics.quantiles(durations, n=10)
    median = statistics.median(durations)
    milliseconds = {"median": median * 1e3, "p10": deciles[0] * 1e3, "p90": deciles[8] * 1e3}
    return {"workload": workload, "ranks": 1, "samplesPerSecond": batch / median, "stepMilliseconds": milliseconds}


def compare(workloads, lockstep, rounds, seconds):
    print(f"one process, one thread, {rounds} rounds of {seconds:g} s each, in turn", flush=True)
    rows = [compare_workload(workload, lockstep, rounds, seconds) for workload in workloads]
    print(f"\n{'workload':<12}{'PyTorch samples/s':>20}{'Lockstep samples/s':>20}{'ratio':>8}   spread of ratios")
    for workload, theirs, ours in rows:
        # A round's two measurements are neighbours in time, so their ratio suffers least from noise.
        ratios = [b / a for a, b in zip(theirs, ours)]
        print(f"{workload:<12}{statistics.median(theirs):>20,.0f}{statistics.median(ours):>20,.0f}"
              f"{statistics.median(ratios):>8.2f}   {min(ratios):.2f} to {max(ratios):.2f}")


def compare_workload(workload, lockstep, rounds, seconds):
    pytorch_command = [sys.executable, "-B", os.path.abspath(__file__), "measure", workload, "--seconds", str(seconds)]
    lockstep_command = [lockstep, "bench", workload, "--seconds", str(seconds), "--json"]
    theirs, ours = [], []
    for number in range(rounds):
        turns = [(pytorch_command, theirs), (lockstep_command, ours)]
        for command, rates in turns if number % 2 == 0 else reversed(turns):
            rates.append(samples_per_second(command, workload, seconds))
        print(f"  {workload} round {number + 1}: PyTorch {theirs[-1]:,.0f}, Lockstep {ours[-1]:,.0f} samples/s",
              flush=True)
    return workload, theirs, ours


def samples_per_second(command, workload, seconds):
    # Both sides on one thread, whatever the surroundings say.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    shown = " ".join(command)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + TIME_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"compare-pytorch: could not measure: {error}")
    if done.returncode != 0:
        sys.exit(f"compare-pytorch: `{shown}` ended with status {done.returncode}:\n{done.stderr.strip()}")
    for line in done.stdout.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("workload") == workload and record.get("ranks") == 1:
            return float(record["samplesPerSecond"])
    sys.exit(f"compare-pytorch: `{shown}` printed no JSON line for {workload} on 1 rank, but:\n{done.stdout.strip()}")


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    parse.__name__ = kind.__name__
    return parse


def main():
    parser = argparse.ArgumentParser(prog="compare-pytorch", description="PyTorch as the peer of `lockstep bench`.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure", help="measure PyTorch on one workload")
    one.add_argument("workload", choices=WORKLOADS)
    one.add_argument("--seconds", type=positive(float), default=5)
    both = commands.add_parser("compare", help="measure PyTorch and Lockstep in turn")
    both.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    both.add_argument("--lockstep", required=True)
    both.add_argument("--rounds", type=positive(int), default=5)
    both.add_argument("--seconds", type=positive(float), default=5)
    options = parser.parse_args()
    if options.command == "measure":
        measure(options.workload, options.seconds)
        return
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"unknown workload {unknown[0]!r}: expected one of {', '.join(WORKLOADS)}")
    compare(options.workloads or list(WORKLOADS), options.lockstep, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
