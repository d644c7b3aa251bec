/**
 * The directory has another owner. The text names it and says what to do. Apart from what locks.
 */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}
