/// What images of any size become when they are read.
public struct ImageForm: Sendable, Equatable {
  /// What becomes of an image whose proportions differ from those wanted.
  public enum Fit: String, Sendable, Codable, CaseIterable {
    /// The whole image, stretched or squeezed.
    case stretch
    /// The largest part in its middle that has the proportions wanted.
    case crop
  }

  public var height: Int
  public var width: Int
  /// 1: grey, 3: red, green and blue; images of the other kind are converted.
  public var channels: Int
  public var fit: Fit

  /// The sides are above zero and at most 65,500; `channels` is 1 or 3.
  public init(height: Int, width: Int, channels: Int = 3, fit: Fit = .stretch) {
    precondition(
      1...65_500 ~= height && 1...65_500 ~= width && (channels == 1 || channels == 3),
      "images of \(channels) × \(height) × \(width)")
    self.height = height
    self.width = width
    self.channels = channels
    self.fit = fit
  }

  /// Bytes of one image.
  var size: Int { channels * height * width }
}
