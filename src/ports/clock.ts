/**
 * Time. Nothing in the coordinator or the SDKs reads it from anywhere else, so that a simulation can
 * stand in for it.
 */
export interface Clock {
  /** Milliseconds since some fixed point; never goes back, never jumps. For every delay and deadline. Stands still while the machine sleeps. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; may jump. For records and people, never for a deadline. */
  wallMs(): number;
  /** Milliseconds since the machine started, its sleep included; absent where it tells no such thing. For ages: `system/age.ts`. */
  bootMs?(): number;
  /** Calls back once, at the earliest after `delayMs`. A delay of 0 is still asynchronous. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** No effect on a timer that fired or was cancelled. */
  cancel(): void;
}
