/** Kept as this is loaded: the fake timers of a test must not stop what came over a socket. */
const { setImmediate: nextTurn } = globalThis;

/** Calls back once, when everything that has arrived already was handled. */
export function atEndOfTurn(callback: () => void): void {
  nextTurn(callback);
}
