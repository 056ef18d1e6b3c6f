import Datasets
import Foundation
import Testing

@Suite struct ImageFolderTests {
  private let form = ImageForm(height: 2, width: 2)

  /// A PNG of one colour.
  private func plain(_ red: UInt8, _ green: UInt8, _ blue: UInt8, width: Int = 3, height: Int = 4) -> [UInt8]
  {
    var pixels: [UInt8] = []
    for _ in 0..<width * height { pixels += [red, green, blue] }
    return ImageFile.png(pixels, width: width, height: height)
  }

  private func folder(_ files: [(String, [UInt8])]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (name, bytes) in files {
      let parent = URL(fileURLWithPath: "\(folder.path)/\(name)").deletingLastPathComponent()
      try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      try folder.write(bytes, to: name)
    }
    return folder
  }

  private func refusal(
    _ files: [(String, [UInt8])], _ split: Split = .train, limit: Int = 1 << 20
  ) throws -> String {
    let folder = try folder(files)
    let error = #expect(throws: DatasetError.self) {
      try ImageFolder.load(at: folder.path, split: split, form: form, threads: 2, memoryLimit: limit)
    }
    return error?.description ?? ""
  }

  @Test func foldersAreClassesSortedByName() throws {
    let folder = try folder([
      ("dog/b.png", plain(20, 21, 22)), ("dog/a.PNG", plain(10, 11, 12)), ("Zebra/1.png", plain(1, 2, 3)),
      (
        "cat/deep/er/x.jpeg",
        ImageFile.jpeg([UInt8](repeating: 90, count: 64), width: 8, height: 8, channels: 1)
      ),
      ("cat/.hidden.png", [1]), ("cat/notes.txt", [1]), (".git/x.png", [1]), ("readme.md", [1]),
    ])
    let images = try ImageFolder.load(at: folder.path + "/", split: .train, form: form, normalization: .none)
    #expect(images.classNames == ["Zebra", "cat", "dog"])
    #expect(images.inputShape == [3, 2, 2])
    let filled = images.filled([0, 1, 2, 3])
    #expect(filled.targets == [0, 1, 2, 2])
    #expect(Array(filled.inputs[..<12]) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    #expect(filled.inputs[12..<24].allSatisfy { abs($0 - 90) <= 1 })
    #expect(filled.inputs[24] == 10 && filled.inputs[36] == 20)
    #expect(!ImageFolder.hasTestSplit(at: folder.path))
  }

  @Test func coloursBecomeGreyWhereAskedFor() throws {
    let folder = try folder([("a/1.png", plain(100, 200, 50)), ("b/1.png", plain(9, 9, 9))])
    let grey = ImageForm(height: 3, width: 1, channels: 1)
    let images = try ImageFolder.load(at: folder.path, split: .train, form: grey, normalization: .none)
    #expect(images.inputShape == [1, 3, 1])
    #expect(images.filled([0, 1]).inputs == [153, 153, 153, 9, 9, 9])
    #expect(try ImageFolder.pixels(of: "\(folder.path)/a/1.png", form: grey) == [153, 153, 153])
  }

  @Test(arguments: ["test", "val"]) func splitsShareTheTrainingClasses(_ test: String) throws {
    let folder = try folder([
      ("train/a/1.png", plain(1, 1, 1)), ("train/b/1.png", plain(2, 2, 2)), ("train/c/1.png", plain(3, 3, 3)),
      ("\(test)/c/1.png", plain(4, 4, 4)), ("\(test)/a/1.png", plain(5, 5, 5)),
    ])
    #expect(ImageFolder.hasTestSplit(at: folder.path))
    let train = try ImageFolder.load(at: folder.path, split: .train, form: form)
    let images = try ImageFolder.load(at: folder.path, split: .test, form: form, normalization: .none)
    #expect(train.count == 3 && images.count == 2)
    #expect(images.classNames == ["a", "b", "c"])
    #expect(images.filled([0, 1]).targets == [0, 2])
    #expect(images.filled([0, 1]).inputs[0] == 5)
  }

  @Test func threadsChangeNothing() throws {
    var files: [(String, [UInt8])] = []
    for index in 0..<40 { files.append(("\(index % 3)/\(index).png", plain(UInt8(index), 7, 9))) }
    let folder = try folder(files)
    let one = try ImageFolder.load(at: folder.path, split: .train, form: form).digest()
    for threads in [2, 5] {
      #expect(
        try ImageFolder.load(at: folder.path, split: .train, form: form, threads: threads).digest() == one)
    }
  }

  @Test func oneUnreadableFileIsNamed() throws {
    var damaged = ImageFile.jpeg(ImageFile.smooth(width: 64, height: 64), width: 64, height: 64)
    damaged.removeLast(damaged.count / 2)
    var files: [(String, [UInt8])] = []
    for index in 0..<30 { files.append(("a/\(index).png", plain(1, 2, 3))) }
    let good = [("b/1.png", plain(1, 2, 3))]
    let message = try refusal(files + good + [("b/broken.jpg", damaged)])
    #expect(message.contains("/b/broken.jpg") && message.contains("JPEG") && !message.contains("more files"))
    // Several: the first is named, the others counted, whichever thread finds them.
    let several = try refusal(files + good + [("b/broken.jpg", damaged), ("b/c.png", []), ("a/5.png", [1])])
    #expect(several.contains("/a/5.png") && several.contains("2 more files"))
  }

  @Test func whatIsMissingIsNamed() throws {
    let image = plain(1, 2, 3)
    #expect(try refusal([("a/1.png", image)]).contains("one folder, a"))
    #expect(try refusal([("1.png", image)]).contains("no folder"))
    #expect(try refusal([("a/1.png", image), ("b/notes.txt", [1])]).contains("/b:"))
    #expect(try refusal([("a/1.png", image), ("b/1.gif", [1])]).contains("another format"))
    let plainRoot = [("a/1.png", image), ("b/1.png", image)]
    #expect(try refusal(plainRoot, .test).contains("no such folders"))
    let split = plainRoot.map { ("train/\($0.0)", $0.1) }
    #expect(try refusal(split, .test).contains("no test folder"))
    #expect(try refusal(split + [("test/d/1.png", image)], .test).contains("/test/d"))
    #expect(try refusal(split + [("test/a/notes", [1])], .test).contains("none"))
    let error = #expect(throws: DatasetError.self) {
      try ImageFolder.load(at: "/nowhere/at/all", split: .train, form: form)
    }
    #expect(error?.description.contains("/nowhere/at/all") == true)
  }

  @Test func whatDoesNotFitMemoryIsRefused() throws {
    let files = (0..<10).map { ("\($0 % 2)/\($0).png", plain(1, 2, 3)) }
    #expect(try refusal(files, limit: 119).contains("10 images of 3 × 2 × 2"))
    let folder = try folder(files)
    #expect(try ImageFolder.load(at: folder.path, split: .train, form: form, memoryLimit: 120).count == 10)
  }
}
