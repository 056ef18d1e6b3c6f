// What a library user needs, under one name: `import Lockstep`.
@_exported import Autodiff
@_exported import Averaging
@_exported import Checkpoints
@_exported import Datasets
@_exported import Layers
@_exported import MessagePassing
@_exported import Optimizers
@_exported import TensorCore
@_exported import Training
