"""PyTorch's side of scripts/bench: the same training steps as `lockstep bench`, in one process or as a rank of several.

usage: peer.py WORKLOAD CONFIGURATION

CONFIGURATION: eager, channels-last, compiled, or compiled+channels-last. With WORLD_SIZE above 1 in the environment
the model is wrapped in DDP over gloo; RANK and STORE (a file that does not exist yet) say how the ranks meet.

Prints {"ready": true} once steps are as fast as they get. Then, for each number of seconds on the standard input, takes
steps for about as long and prints a line of JSON with the keys of `lockstep bench --json`. All ranks are to be told the
same. Ends with its input.

A step is forward, mean cross-entropy, backward (with averaging), and update, on one batch that stays in memory, with
PyTorch's fused optimizers. DDP gets the settings that are fastest: gradients as views of its buckets, a static graph,
and buffers that every rank keeps for itself.
"""

import json
import os
import resource
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

import models  # noqa: E402
from tasks import WORKLOADS  # noqa: E402

CLASSES, LEAST_STEPS = models.CLASSES, 3
RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def make_batch(batch, shape):
    if shape[0] == "tokens":
        return (torch.randint(0, models.VOCABULARY, (batch, shape[1])),
                torch.randint(0, models.VOCABULARY, (batch * shape[1],)))
    return torch.randn(batch, *shape), torch.randint(0, CLASSES, (batch,))


def make_optimizer(rule, parameters):
    return {
        "sgd": lambda: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, fused=True),
        "adam": lambda: torch.optim.Adam(parameters, lr=1e-3, fused=True),
        "adamw": lambda: torch.optim.AdamW(parameters, lr=1e-3, fused=True),
    }[rule]()


def make_step(workload, configuration):
    batch, rule = WORKLOADS[workload]
    build, shape = models.MODELS[workload]
    torch.manual_seed(1)
    model = build()
    torch.manual_seed(2 + RANK)
    inputs, labels = make_batch(batch, shape)
    if "channels-last" in configuration:
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    if RANKS > 1:
        model = nn.parallel.DistributedDataParallel(
            model, gradient_as_bucket_view=True, static_graph=True, broadcast_buffers=False)
    optimizer = make_optimizer(rule, model.parameters())
    if "compiled" in configuration:
        model = torch.compile(model)
    criterion = nn.CrossEntropyLoss()

    def step():
        logits = model(inputs)
        criterion(logits.reshape(-1, logits.shape[-1]), labels).backward()
        optimizer.step()
        # DDP's gradients stay views of its buckets.
        optimizer.zero_grad(set_to_none=RANKS == 1)

    return step, batch


def agreed(number):
    """Rank 0's number, on all ranks."""
    if RANKS == 1:
        return number
    value = torch.tensor([float(number)], dtype=torch.float64)
    dist.broadcast(value, 0)
    return float(value)


def timed(step):
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def warm_up(step):
    """Until three steps in a row take about as long as the fastest so far; compiling takes the first ones."""
    best, steady = float("inf"), 0
    for _ in range(50):
        duration = agreed(timed(step))
        steady = steady + 1 if duration < 1.3 * best else 0
        best = min(best, duration)
        if steady == 3:
            break
    return best


def measure(step, batch, seconds, expected):
    count = int(agreed(max(LEAST_STEPS, round(seconds / expected))))
    durations = [timed(step) for _ in range(count)]
    deciles = statistics.quantiles(durations, n=10)
    median = statistics.median(durations)
    return {
        "ranks": RANKS,
        "samplesPerSecond": batch * RANKS / median,
        "stepMilliseconds": {"median": median * 1e3, "p10": deciles[0] * 1e3, "p90": deciles[8] * 1e3},
        "peakMemoryMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main():
    torch.set_num_threads(1)
    if RANKS > 1:
        dist.init_process_group("gloo", init_method=f"file://{os.environ['STORE']}", rank=RANK, world_size=RANKS)
    step, batch = make_step(*sys.argv[1:3])
    expected = warm_up(step)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        record = measure(step, batch, float(line), expected)
        expected = record["stepMilliseconds"]["median"] * 1e-3
        print(json.dumps(record), flush=True)
    if RANKS > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
