/**
 * The store failed under a write: nothing it held in flight may be answered. The text says what to do. Apart from
 * the store itself, so that whoever handles it does not load LMDB.
 */
export class StoreFailedError extends Error {
  /** Always this. */
  override readonly name = 'StoreFailedError';
}
