/**
 * What each test of a decision log begins with: a store, a log that is open on it, and its
 * leadership of shard 0.
 */
import { makePosition, type Position, type Txid } from '../../../src/core/txid.ts';
import type { DecisionLog, Leadership } from '../../../src/ports/decision-log.ts';
import type { DecisionLogFixture } from '../../support/logs/log-fixtures.ts';
import { never, txidAt } from '../../support/logs/stores.ts';

export const collectAll = {
  retentionMs: 0,
  retentionMsMin: 0,
  maxRecords: 1_000,
  keepsRequest: () => false,
  limit: 100,
};

export class LogRig {
  #fixture: DecisionLogFixture | null = null;
  #log: DecisionLog | null = null;
  #leadership: Leadership | null = null;

  async begin(make: () => Promise<DecisionLogFixture>): Promise<void> {
    this.#fixture = await make();
    this.#log = await this.#fixture.open('alpha');
    this.#leadership = await this.#log.campaign(0, { signal: never });
  }

  /** Also of what began only in part. */
  async end(): Promise<void> {
    await this.#fixture?.dispose();
  }

  get fixture(): DecisionLogFixture {
    return begun(this.#fixture);
  }

  get log(): DecisionLog {
    return begun(this.#log);
  }

  get leadership(): Leadership {
    return begun(this.#leadership);
  }

  set leadership(leadership: Leadership) {
    this.#leadership = leadership;
  }

  txid(sequence: number): Txid {
    return txidAt(this.leadership.epoch, sequence);
  }

  below(sequence: number): Position {
    return makePosition(this.leadership.epoch, sequence);
  }
}

function begun<T>(part: T | null): T {
  if (part === null) throw new Error('The test has not begun.');
  return part;
}
