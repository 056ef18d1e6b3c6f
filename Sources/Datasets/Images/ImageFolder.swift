import Synchronization
import TensorCore

/// Images of any size in a folder for each class, PNG or JPEG, grey or in colour: `root/class/file`, or
/// `root/train/class/file` and `root/test/class/file`.
public enum ImageFolder {
  /// The most bytes that the images of a split may take after they were resized: 2 GiB.
  public static let memoryLimit = 2 << 30

  /// Whether `root` has samples for tests of its own, in a folder `test` or `val` beside `train`.
  public static func hasTestSplit(at root: String) -> Bool {
    ImageFolderListing.isSplit(root) && ImageFolderListing.testFolder(root) != nil
  }

  /// Reads a split, all images of it, brought to one form, on up to `threads` threads.
  ///
  /// The classes are the folders of the training split, sorted by name; samples are sorted by class, then by
  /// name. Every image is decoded here, so that nothing can go wrong later. Throws where a folder is missing
  /// or holds no image, a class of the test split is unknown, a file cannot be read or is damaged (all such
  /// files are counted, the first is named), or the images would need more than `memoryLimit` bytes.
  public static func load(
    at root: String, split: Split, form: ImageForm, threads: Int = 1,
    normalization: Normalization = .unit, memoryLimit: Int = ImageFolder.memoryLimit
  ) throws(DatasetError) -> ByteImages {
    let listing = try ImageFolderListing(root: root, split: split)
    let (size, overflows) = listing.paths.count.multipliedReportingOverflow(by: form.size)
    guard !overflows, size <= memoryLimit else {
      throw DatasetError(
        at: root,
        expected: "images of \(memoryLimit >> 20) MiB in all, since they are kept in memory",
        found: "\(listing.paths.count) images of \(form.channels) × \(form.height) × \(form.width) bytes",
        remedy: "Choose a smaller size for the images, or fewer of them.")
    }
    let (pixels, failures) = decode(listing.paths, form: form, threads: threads)
    if let first = failures.first {
      if failures.count == 1 { throw first }
      throw DatasetError(
        at: first.diagnosis.place, expected: first.diagnosis.expected,
        found: "\(first.diagnosis.found) (and \(failures.count - 1) more files that cannot be used)",
        remedy: first.diagnosis.remedy)
    }
    return try ByteImages(
      pixels: pixels, labels: listing.labels, inputShape: [form.channels, form.height, form.width],
      classNames: listing.classNames, normalization: normalization, place: root)
  }

  /// The image of one file in a form, [channels, height, width]: for predictions.
  public static func pixels(of path: String, form: ImageForm) throws(DatasetError) -> [UInt8] {
    let (pixels, failures) = decode([path], form: form, threads: 1)
    if let failure = failures.first { throw failure }
    return pixels
  }

  /// All images, and what went wrong in the order of the paths.
  private static func decode(
    _ paths: [String], form: ImageForm, threads: Int
  ) -> (pixels: [UInt8], failures: [DatasetError]) {
    let failures = Failures()
    let pixels = [UInt8](unsafeUninitializedCapacity: paths.count * form.size) { memory, filled in
      filled = paths.count * form.size
      guard let base = memory.baseAddress else { return }
      base.initialize(repeating: 0, count: filled)
      let target = SharedMemory(base: base)
      Parallel.run(count: paths.count, threads: threads, least: 8) { part in
        for index in part {
          do throws(DatasetError) {
            let image = try DecodedImage(contentsOf: paths[index])
            write(image, in: form, to: target.base + index * form.size)
          } catch {
            failures.add(index, error)
          }
        }
      }
    }
    return (pixels, failures.sorted)
  }

  private static func write(
    _ image: DecodedImage, in form: ImageForm, to planes: UnsafeMutablePointer<UInt8>
  ) {
    let resampler = ImageResampler(
      sourceWidth: image.width, sourceHeight: image.height, width: form.width, height: form.height,
      fit: form.fit)
    // Grey stays one channel until its planes are copied.
    let source = form.channels < image.channels ? image.converted(to: form.channels) : image
    resampler.resample(source, into: planes)
    let plane = form.height * form.width
    for channel in source.channels..<max(form.channels, source.channels) {
      (planes + channel * plane).update(from: planes, count: plane)
    }
  }

  /// Errors of several threads.
  private final class Failures: Sendable {
    private let found = Mutex<[(index: Int, error: DatasetError)]>([])

    func add(_ index: Int, _ error: DatasetError) { found.withLock { $0.append((index, error)) } }
    var sorted: [DatasetError] { found.withLock { $0.sorted { $0.index < $1.index }.map(\.error) } }
  }
}
