/**
 * Time. The coordinator and the SDKs read it from nowhere else, so that a simulation can replace
 * it.
 */
export interface Clock {
  /** Milliseconds since some point, without jumps or the machine's sleep. For delays, deadlines. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; may jump. For records and people, never for a deadline. */
  wallMs(): number;
  /** Since the machine started, sleep included; absent if unknown. For ages: `system/age.ts`. */
  bootMs?(): number;
  /** Calls back once, at the earliest after `delayMs`. A delay of 0 is still asynchronous. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** No effect on a timer that fired or was cancelled. */
  cancel(): void;
}
