package protocol KernelBase {
  associatedtype Scalar: BinaryFloatingPoint & BitwiseCopyable
  typealias Input = UnsafePointer<Scalar>
  typealias Output = UnsafeMutablePointer<Scalar>
  typealias Labels = UnsafePointer<Int32>
}
