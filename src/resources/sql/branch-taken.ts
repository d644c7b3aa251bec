/** The branch, or its resource, is another session's: nothing that this one could vote about. */
export class BranchTakenError extends Error {
  override readonly name = 'BranchTakenError';
}
