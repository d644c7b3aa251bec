/**
 * A write failed: nothing in flight may be answered. Apart from the store, whose users load LMDB.
 */
export class StoreFailedError extends Error {
  /** Always this. */
  override readonly name = 'StoreFailedError';
}
