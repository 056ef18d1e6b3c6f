/// What all families of kernels have in common: their numbers, and how memory is handed to them.
package protocol KernelBase {
  associatedtype Scalar: BinaryFloatingPoint & BitwiseCopyable
  typealias Input = UnsafePointer<Scalar>
  typealias Output = UnsafeMutablePointer<Scalar>
  typealias Labels = UnsafePointer<Int32>
}
