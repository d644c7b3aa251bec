/** Libraries wrap a driver's error in their own. What counts is the database's, or the driver's. */

const maxDepth = 8;

/** The first that `of` finds, in the error or in what caused it. */
export function inCauses<T>(error: unknown, of: (one: object) => T | null): T | null {
  try {
    let one = error;
    for (let depth = 0; depth < maxDepth && typeof one === 'object' && one !== null; depth += 1) {
      const found = of(one);
      if (found !== null) return found;
      one = (one as { readonly cause?: unknown }).cause;
    }
  } catch {
    // A getter of something foreign threw: it is no error of a database.
  }
  return null;
}

/** Whether it is so of the error or of what caused it. */
export function isInCauses(error: unknown, is: (one: object) => boolean): boolean {
  return inCauses(error, (one) => (is(one) ? true : null)) !== null;
}
