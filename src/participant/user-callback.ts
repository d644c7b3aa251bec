/**
 * A call of the application's that nothing waits for. What it throws ends nothing; nor does what it
 * rejects with (!): such a rejection, of an `async` callback, would end the whole process.
 */
export function callUser(call: () => unknown, failed: (error: unknown) => void): void {
  try {
    // A promise of whatever library.
    Promise.resolve(call()).catch(failed);
  } catch (error) {
    failed(error);
  }
}
