/** The file is there but is not one of ours, or is broken. */
export class StoreUnreadableError extends Error {
  override readonly name = 'StoreUnreadableError';
}
