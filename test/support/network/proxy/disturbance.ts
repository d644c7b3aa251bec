/** What is done to the messages of one direction while they pass. */
export interface Disturbance {
  /** Added to every unit, bytes too. */
  readonly delayMs: number;
  /** Added at random, from 0 to this. */
  readonly jitterMs: number;
  /** The share of messages, 0 to 1, that is lost. */
  readonly drop: number;
  /** The share that arrives twice, the second time up to `lagMs` later. */
  readonly duplicate: number;
  /** The share that others overtake: it is held back for up to `lagMs`. */
  readonly reorder: number;
  readonly lagMs: number;
  /**
   * So many messages of each connection pass undisturbed: a greeting out of order only ends the
   * connection.
   */
  readonly sparingFirst: number;
}

export const undisturbed: Disturbance = {
  delayMs: 0,
  jitterMs: 0,
  drop: 0,
  duplicate: 0,
  reorder: 0,
  lagMs: 50,
  sparingFirst: 1,
};

/** Throws a RangeError that names what is out of bounds. */
export function disturbance(given: Partial<Disturbance>): Disturbance {
  const whole = { ...undisturbed, ...given };
  for (const name of ['drop', 'duplicate', 'reorder'] as const) {
    if (!(whole[name] >= 0 && whole[name] <= 1)) {
      throw new RangeError(`${name} is a share of the messages: 0 to 1, not ${whole[name]}.`);
    }
  }
  for (const name of ['delayMs', 'jitterMs', 'lagMs', 'sparingFirst'] as const) {
    if (!(whole[name] >= 0 && whole[name] <= 600_000)) {
      throw new RangeError(`${name} must be from 0 to 600000, not ${whole[name]}.`);
    }
  }
  return whole;
}
