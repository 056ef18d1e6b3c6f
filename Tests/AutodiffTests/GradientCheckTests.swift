// Gradients against central differences in double precision, along random directions: for every operation that
// has a gradient, and for whole models.

import Layers
import TensorCore
import Testing

import Autodiff

/// The operations through which gradients flow, one small graph or more for each.
enum Differentiable: CaseIterable {
  case matrixProduct, activation, add, multiply, scale, view, slice, pad, concatenate, transpose, reduceSum,
    broadcast, softmax, dropout, crossEntropy, softCrossEntropy, valueLoss,
    recurrent, rowNormalization, embedding, attention,
    convolution, transposedConvolution, addToChannels,
    pool, globalAverage, batchNormalization

  /// Which of them an operation is; `nil` for leaves and for what only the backward pass writes. Without a
  /// `default`, so that an operation cannot be added without a decision here.
  init?(_ operation: Operation) {
    switch operation {
    case .matrixProduct: self = .matrixProduct
    case .activation: self = .activation
    case .add: self = .add
    case .multiply: self = .multiply
    case .scale: self = .scale
    case .view: self = .view
    case .slice: self = .slice
    case .pad: self = .pad
    case .concatenate: self = .concatenate
    case .transpose: self = .transpose
    case .dropout: self = .dropout
    case .recurrent: self = .recurrent
    case .softCrossEntropy: self = .softCrossEntropy
    case .reduceSum: self = .reduceSum
    case .broadcast: self = .broadcast
    case .softmax: self = .softmax
    case .rowNormalization: self = .rowNormalization
    case .embedding: self = .embedding
    case .attention: self = .attention
    case .pool: self = .pool
    case .globalAverage: self = .globalAverage
    case .batchNormalization: self = .batchNormalization
    case .crossEntropy: self = .crossEntropy
    case .valueLoss: self = .valueLoss
    case .convolution: self = .convolution
    case .convolutionInputGradient: self = .transposedConvolution
    case .addToChannels: self = .addToChannels
    case .input, .target, .labels, .weights, .parameter, .buffer, .constant, .oneHot, .countCorrect,
      .countAgreeing, .differs, .activationGradient, .softmaxGradient, .crossEntropyGradient,
      .softCrossEntropyGradient, .valueLossGradient,
      .recurrentGradient, .recurrentWeightGradient,
      .rowNormalizationInputGradient, .rowNormalizationSums, .embeddingGradient, .attentionGradient,
      .convolutionWeightGradient, .sumOfChannels, .reorder,
      .maxPoolGradient, .averagePoolGradient, .globalAverageGradient,
      .batchNormalizationSums, .batchNormalizationGradient, .frozenBatchNormalizationGradient:
      return nil
    // Their gradient is in that of what normalizes by them; SynchronizedGradientTests follow it over several shards.
    case .channelStatistics, .synchronize: return nil
    }
  }

  typealias Write = @Sendable (inout Graph) throws -> Node

  /// Graphs whose result is differentiated; operands are parameters, so that every operand's gradient is seen.
  var graphs: [Write] {
    switch self {
    case .matrixProduct:
      return [(false, false), (false, true), (true, false), (true, true)].map { a, b in
        { graph in
          try graph.matrixProduct(
            graph.parameter("a", a ? [4, 3] : [3, 4]), graph.parameter("b", b ? [5, 4] : [4, 5]),
            transposeA: a, transposeB: b)
        }
      }
    case .activation:
      return Activation.allCases.map { activation in
        { graph in graph.activation(activation, try graph.parameter("a", [3, 17])) }
      }
    case .add:
      return [
        { graph in try graph.add(graph.parameter("a", [3, 4]), graph.parameter("b", [3, 4])) },
        { graph in try graph.add(graph.parameter("a", [2, 3, 4]), graph.parameter("b", [4])) },
        { graph in
          let a = try graph.parameter("a", [5])
          return try graph.add(a, a)
        },
      ]
    case .multiply:
      return [
        { graph in try graph.multiply(graph.parameter("a", [3, 4]), graph.parameter("b", [3, 4])) },
        { graph in try graph.multiply(graph.parameter("a", [2, 3, 4]), graph.parameter("b", [3, 4])) },
        { graph in
          let a = try graph.parameter("a", [5])
          return try graph.multiply(a, a)
        },
      ]
    case .scale: return [{ graph in graph.scale(try graph.parameter("a", [7]), by: -2.5) }]
    case .view:
      return [
        { graph in try graph.reshape(graph.parameter("a", [6, 4]), [3, 8]) },
        { graph in graph.view(graph.activation(.tanh, try graph.parameter("a", [40])), offset: 16, [3, 4]) },
        { graph in try graph.slice(graph.parameter("a", [6, 4]), axis: 0, 2..<5) },
      ]
    case .slice:
      return [
        { graph in try graph.slice(graph.parameter("a", [6, 4]), axis: 1, 1..<3) },
        { graph in try graph.slice(graph.parameter("a", [2, 5, 3]), axis: 1, 3..<5) },
      ]
    case .pad:
      return [
        { graph in
          graph.append(
            .pad(RunForm(rows: 3, whole: 7, part: 4, start: 2)), [try graph.parameter("a", [3, 4])], [3, 7])
        }
      ]
    case .concatenate:
      return [0, 1, 2].map { axis in
        { graph in
          let first = try graph.parameter("a", [2, 3, 4])
          let second = try graph.parameter("b", Shape([2, 3, 4]).replacing(axis: axis, by: 5))
          return try graph.concatenate([first, second, first], axis: axis)
        }
      }
    case .transpose:
      return [(0, 1), (0, 2), (2, 1), (1, 3)].map { first, second in
        { graph in try graph.transpose(graph.parameter("a", [2, 3, 4, 5]), first, second) }
      }
    case .dropout:
      return [0, 1].map { axis in
        { graph in try graph.dropout(graph.parameter("a", [4, 5, 70]), rate: 0.3, sampleAxis: axis) }
      }
    case .reduceSum:
      return [0, 1, 2].map { axis in
        { graph in try graph.sum(graph.parameter("a", [2, 3, 4]), axis: axis) }
      }
    case .broadcast:
      return [0, 1, 2].map { axis in
        { graph in try graph.broadcast(graph.parameter("a", [2, 3]), axis: axis, count: 5) }
      }
    case .recurrent:
      return RecurrentCell.allCases.flatMap { cell in
        [(2, false), (4, false), (4, true)].map { steps, isReversed -> Write in
          { graph in
            let (x, weight) = (
              try graph.parameter("a", [steps, 3, cell.gates * 2]),
              try graph.parameter("b", [cell.gates * 2, 2])
            )
            let bias = cell == .gru ? try graph.parameter("c", [6]) : nil
            // Half of the weight: squares of large states of relu would leave little of a difference.
            return try graph.recurrent(
              cell, x, weight: graph.scale(weight, by: 0.5), bias: bias, isReversed: isReversed)
          }
        }
      }
    case .softmax:
      return [
        { graph in try graph.softmax(graph.parameter("a", [3, 5])) },
        { graph in try graph.softmax(graph.parameter("a", [2, 3, 4])) },
      ]
    case .convolution:
      return [
        { graph in
          try graph.convolution(
            graph.parameter("x", [2, 3, 5, 4]), graph.parameter("weight", [4, 3, 3, 2]),
            stride: .init(height: 2, width: 1), padding: 1)
        },
        { graph in
          try graph.convolution(
            graph.parameter("x", [1, 4, 6, 5]), graph.parameter("weight", [6, 2, 2, 3]),
            dilation: .init(height: 3, width: 2), groups: 2)
        },
        // Channels in blocks between the two, a sum of two layouts, and a bias and ReLU that are fused.
        { graph in
          let x = try graph.parameter("x", [1, 16, 4, 3])
          let y = try graph.convolution(
            x, graph.parameter("first", [16, 16, 3, 3]), bias: graph.parameter("bias", [16]), padding: 1)
          let z = try graph.convolution(
            graph.activation(.relu, y), graph.parameter("second", [16, 1, 3, 3]), padding: 1, groups: 16)
          return graph.scale(try graph.add(z, x), by: 0.1)
        },
      ]
    case .transposedConvolution:
      return [
        { graph in
          try graph.transposedConvolution(
            graph.parameter("x", [2, 3, 3, 4]), graph.parameter("weight", [3, 2, 3, 2]),
            stride: .init(height: 2, width: 3), padding: .init(height: 1, width: 0),
            outputPadding: .init(height: 1, width: 2))
        },
        { graph in
          let small = try graph.transposedConvolution(
            graph.parameter("x", [1, 16, 2, 2]), graph.parameter("weight", [16, 1, 2, 2]), stride: 2,
            groups: 16)
          return try graph.convolution(small, graph.parameter("reduce", [2, 16, 1, 1]))
        },
      ]
    case .addToChannels:
      return [
        { graph in
          try graph.transposedConvolution(
            graph.parameter("x", [2, 3, 2, 3]), graph.parameter("weight", [3, 4, 2, 2]),
            bias: graph.parameter("bias", [4]), groups: 1)
        }
      ]
    case .pool:
      return [
        { graph in
          try graph.maxPooling(graph.parameter("a", [2, 3, 7, 5]), window: 3, stride: 2, padding: 1)
        },
        { graph in try graph.maxPooling(graph.parameter("a", [1, 2, 6, 4]), window: 2) },
        { graph in
          try graph.averagePooling(
            graph.parameter("a", [2, 3, 7, 5]), window: .init(height: 3, width: 2), stride: 2, padding: 1)
        },
        { graph in
          try graph.averagePooling(
            graph.parameter("a", [2, 3, 7, 5]), window: 3, stride: 1, padding: 1, countsPadding: false)
        },
      ]
    case .globalAverage:
      return [{ graph in try graph.globalAveragePooling(graph.parameter("a", [2, 3, 4, 5])) }]
    case .batchNormalization:
      let cases: [(shape: Shape, rectifies: Bool, isFrozen: Bool)] = [
        ([4, 3], false, false), ([3, 2, 5], true, false), ([2, 3, 2, 3], false, true), ([5, 4], true, true),
      ]
      return cases.map { test in
        { graph in
          let y = try graph.batchNormalization(
            graph.parameter("a", test.shape), isFrozen: test.isFrozen)
          return test.rectifies ? graph.activation(.relu, y) : y
        }
      }
    case .crossEntropy:
      return [0, 0.2].map { smoothing in
        { graph in
          try graph.crossEntropy(
            graph.parameter("a", [6, 5]), graph.labels(batch: 6), smoothing: smoothing)
        }
      }
    case .softCrossEntropy:
      return [0, 0.2].map { smoothing in
        { graph in
          try graph.crossEntropy(
            graph.parameter("a", [6, 5]), probabilities: graph.input([6, 5]), smoothing: smoothing)
        }
      }
    case .rowNormalization:
      return [
        { graph in
          try graph.layerNormalization(
            graph.parameter("a", [2, 3, 7]), weight: graph.parameter("w", [7]),
            bias: graph.parameter("b", [7]),
            epsilon: 0.1)
        },
        { graph in
          try graph.layerNormalization(graph.parameter("a", [4, 5]), weight: graph.parameter("w", [5]))
        },
        { graph in
          try graph.rmsNormalization(
            graph.parameter("a", [4, 5]), weight: graph.parameter("w", [5]), epsilon: 0.1)
        },
      ]
    case .embedding:
      return [
        { graph in
          let tokens = graph.oneHot(graph.labels(batch: 6), classes: 5)
          return try graph.embedding(tokens, graph.parameter("table", [2, 3]))
        },
        // The table is the last product's weight, too: its gradients add up.
        { graph in
          let tokens = graph.oneHot(graph.labels(batch: 6), classes: 5)
          let table = try graph.parameter("table", [2, 3])
          let rows = try graph.reshape(graph.embedding(tokens, table), [30, 3])
          return try graph.matrixProduct(rows, table, transposeB: true)
        },
      ]
    case .attention:
      return [false, true].flatMap { isCausal in
        [
          { graph in try graph.attention(graph.parameter("a", [2, 5, 18]), heads: 3, isCausal: isCausal) },
          { graph in
            let mask = graph.differs(graph.oneHot(graph.labels(batch: 6), classes: 5), from: 1)
            return try graph.attention(
              graph.parameter("a", [6, 5, 12]), heads: 2, isCausal: isCausal, mask: mask)
          },
        ] as [Write]
      }
    case .valueLoss:
      return [ValueLoss.squared, .absolute, .huber(delta: 0.7), .binaryCrossEntropy].flatMap { kind in
        [
          { graph in try graph.valueLoss(kind, graph.parameter("a", [6, 5]), graph.input([6, 5])) },
          { graph in
            try graph.valueLoss(
              kind, graph.parameter("a", [6, 5]), graph.oneHot(graph.labels(batch: 6), classes: 5))
          },
        ] as [Write]
      }
    }
  }
}

@Suite struct GradientCheckTests {
  @Test(arguments: Differentiable.allCases)
  func gradientsOfAnOperationEqualCentralDifferences(_ operation: Differentiable) throws {
    for (index, write) in operation.graphs.enumerated() {
      var graph = Graph()
      let output = try write(&graph)
      #expect(
        graph.records.contains { Differentiable($0.operation) == operation }, "\(operation) \(index)")
      // A weighted sum of squares: the arriving gradient is different everywhere, and depends on the value.
      let shape = graph.shape(of: output)
      let weighted = try graph.multiply(graph.multiply(output, output), graph.target(shape))
      let loss = try graph.add(graph.sum(weighted), graph.sum(output))
      let machine = Machine<Doubles>(try Plan.training(graph, batch: 1, loss: loss, outputs: []))
      machine.setAll(seed: 5)
      // Away from the kink of relu, by more than any step of the differences.
      for position in 0..<machine.parameters.count {
        let value = machine.parameters.base[position]
        machine.parameters.base[position] = value + (value < 0 ? -0.1 : 0.1)
      }
      machine.targets = Draw(6, "target").values(shape.count).map { $0 + 0.5 }
      machine.inputs = Draw(7, "input").values(30)
      machine.labels = Draw(8, "labels").labels(6, classes: 5)
      checkGradient(of: machine, "\(operation) \(index)")
    }
  }

  @Test(arguments: Activation.allCases, Loss.Kind.allCases)
  func gradientsOfWholeModelsEqualCentralDifferences(_ activation: Activation, _ loss: Loss.Kind) throws {
    let targets: [Target] = [
      .classes(4), .classes(2, perSample: 2), .probabilities(4), .values(4), .input(6),
    ]
    for target in targets where loss != .crossEntropy || target.classCount != nil {
      let objective = try Objective(
        MultilayerPerceptron(widths: [6, 9, 7, target == .input(6) ? 6 : 4], activation: activation),
        loss: Loss(loss, labelSmoothing: 0.1, delta: 0.4), inputShape: [2, 3], target: target,
        isWeighted: true)
      let machine = Machine<Doubles>(try objective.trainingPlan(batch: 5))
      machine.setAll(seed: 9, scale: 0.5)
      machine.inputs = Draw(10).values(30)
      machine.targets = Draw(11).values(20)
      machine.labels = Draw(12).labels(10, classes: target.classCount ?? 1)
      machine.weights = [0.5, 2, 0, 1, 3]
      checkGradient(of: machine, "\(activation) \(loss) \(target)")
    }
  }
}
