"""The workloads of `lockstep bench`: what each rank has in a step, and how it learns."""

# name: batch of a rank, optimizer
WORKLOADS = {
    "mlp-small": (64, "sgd"),
    "mlp": (128, "adam"),
    "lenet": (64, "adam"),
    "resnet20": (64, "sgd"),
    "lstm": (32, "adam"),
    "gpt-tiny": (12, "adamw"),
    "gpt": (8, "adamw"),
}

# Those whose inputs are images: for them PyTorch has two memory formats.
IMAGES = ("lenet", "resnet20")


def configurations(workload, compiles):
    """PyTorch's ways to train a workload."""
    names = ["eager", "channels-last"] if workload in IMAGES else ["eager"]
    if compiles:
        names += ["compiled", "compiled+channels-last"] if workload in IMAGES else ["compiled"]
    return names
