/**
 * A pool that lends no connection of which nothing has been heard for a moment without asking it first. One that a NAT or a
 * firewall has dropped in silence takes statements and answers none, and the rows of a branch that is to be committed stay locked
 * meanwhile.
 */
import pg from 'pg';
import { systemClock } from '../../system/clock.ts';
import { doneWithin } from '../sql/within.ts';

/** So lately heard of, it is trusted. */
const trustedMs = 10;
/** So long it has for its answer: a round trip, whatever the server is busy with. */
const answerMs = 1_000;

type Lent = (error: Error | undefined, client: pg.PoolClient | undefined, done: () => void) => void;

export class CheckedPool extends pg.Pool {
  readonly #heardOfAtMs = new WeakMap<pg.PoolClient, number>();

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on('release', (_error, client) => {
      this.#heardOfAtMs.set(client, systemClock.monotonicMs());
    });
  }

  // `query` of the pool comes here, too, with a callback.
  override connect(): Promise<pg.PoolClient>;
  override connect(lent: Lent): void;
  override connect(lent?: Lent): Promise<pg.PoolClient> | undefined {
    const client = this.#connect();
    if (lent === undefined) return client;
    client.then(
      (one) => lent(undefined, one, one.release as () => void),
      (error: Error) => lent(error, undefined, () => undefined),
    );
    return undefined;
  }

  async #connect(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await super.connect();
      const heardOfAtMs = this.#heardOfAtMs.get(client);
      if (heardOfAtMs === undefined) return client;
      if (systemClock.monotonicMs() - heardOfAtMs < trustedMs || (await answers(client)))
        return client;
      client.release(true);
    }
  }
}

async function answers(client: pg.PoolClient): Promise<boolean> {
  let answered = false;
  const asked = client.query('SELECT').then(() => {
    answered = true;
  });
  return (await doneWithin(systemClock, asked, answerMs)) && answered;
}
