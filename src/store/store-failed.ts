/** A write failed: nothing in flight may be answered. Apart from what loads LMDB. */
export class StoreFailedError extends Error {
  /** Always this. */
  override readonly name = 'StoreFailedError';
}
