/**
 * Who is let in as which instance, by two nodes on one log: at once, while the log is silent, and
 * while an operator gives an instance to another identity.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Rebound } from '../../../src/core/claims.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { Bindings, type BindingsOptions } from '../../../src/node/bindings.ts';
import { type DecisionLog, DecisionLogError } from '../../../src/ports/decision-log.ts';
import { realClock } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const hello = { name: 'payment', instance: 'i-1' };
const claim = { participant: 'payment', instance: 'i-1' };
const forbidden = expect.objectContaining({ code: 'FORBIDDEN' });
const unavailable = expect.objectContaining({ code: 'LOG_UNAVAILABLE' });

/** A node's log whose answers can be held back. */
class HeldLog implements Pick<DecisionLog, 'bindAll' | 'watchRebound'> {
  readonly log: DecisionLog;
  asked = 0;
  mostAtOnce = 0;
  #atOnce = 0;
  #held: PromiseWithResolvers<void> | null = null;

  constructor(log: DecisionLog) {
    this.log = log;
  }

  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(error?: Error): void {
    const held = this.#held;
    this.#held = null;
    if (error === undefined) held?.resolve();
    else held?.reject(error);
  }

  /** What is read is as it was when it was asked for. */
  async bindAll(...asked: Parameters<DecisionLog['bindAll']>): ReturnType<DecisionLog['bindAll']> {
    const held = this.#held?.promise;
    this.asked += 1;
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    try {
      const holders = await this.log.bindAll(...asked);
      await held;
      return holders;
    } finally {
      this.#atOnce -= 1;
    }
  }

  watchRebound(...given: Parameters<DecisionLog['watchRebound']>): () => void {
    return this.log.watchRebound(...given);
  }
}

let clock: ManualClock;
let store: MemoryLogStore;
let here: HeldLog;
let told: Rebound[];
let failures: unknown[];
let bindings: Bindings;

function bindingsOn(log: HeldLog, more: Partial<BindingsOptions> = {}): Bindings {
  return new Bindings({
    log,
    clock,
    rebound: (rebound) => told.push(rebound),
    failed: (error) => failures.push(error),
    ...more,
  });
}

function logOf(node: string): HeldLog {
  return new HeldLog(openMemoryLog({ store, node, url: `ws://${node}`, clock: realClock }));
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

beforeEach(() => {
  clock = new ManualClock();
  store = new MemoryLogStore();
  told = [];
  failures = [];
  here = logOf('here');
  bindings = bindingsOn(here);
});

describe('a hello', () => {
  it('binds the instance; another identity is refused and told what to do, not by whom', async () => {
    expect(await bindings.admits(hello, 'pay-eu')).toBeNull();
    expect(await bindings.admits(hello, 'pay-eu')).toBeNull();
    const refusal = await bindingsOn(logOf('there')).admits(hello, 'pay-us');
    expect(refusal).toEqual(forbidden);
    expect(refusal?.message).toContain('Instance i-1 of payment');
    expect(refusal?.message).toContain('new, empty data directory');
    expect(refusal?.message).toContain('verdict rebind');
    expect(refusal?.message).not.toContain('pay-eu');
    expect(clock.timers).toBe(0);
  });

  it('past the quota of the identity, or as what was retired, is told so by the log', async () => {
    expect(await bindings.admits(hello, 'pay-eu', 1)).toBeNull();
    const full = await bindings.admits({ ...hello, instance: 'i-2' }, 'pay-eu', 1);
    expect(full).toMatchObject({ code: 'BUSY', retryAfterMs: 60_000 });
    expect(full?.message).toMatch(/its quota.*`verdict retire`/);
    // This node has not heard of it, and remembers the former holder.
    await here.log.retire(claim);
    const retired = await bindings.admits(hello, 'pay-eu');
    expect(retired).toEqual(forbidden);
    expect(retired?.message).toMatch(/was retired by an operator, for good\. Start/);
    expect(await bindings.admits(hello, 'pay-us')).toEqual(forbidden);
    expect(await bindings.admits({ ...hello, instance: 'i-2' }, 'pay-eu', 1)).toBeNull();
    expect(failures).toEqual([]);
  });

  it('binds the shared resource too, whichever instance names it', async () => {
    const shared = { ...hello, sharedResource: 'db' };
    expect(await bindings.admits(shared, 'pay-eu')).toBeNull();
    const other = { ...shared, instance: 'i-2' };
    const refusal = await bindings.admits(other, 'pay-us');
    expect(refusal).toEqual(forbidden);
    expect(refusal?.message).toContain('shared resource db of payment');
    expect(refusal?.message).not.toContain('pay-eu');
    // The one that was refused has bound nothing.
    expect(await bindings.admits(other, 'pay-eu')).toBeNull();
  });

  it('that is refused for the shared resource takes no place of the quota', async () => {
    const shared = { ...hello, sharedResource: 'db' };
    expect(await bindings.admits(shared, 'pay-eu')).toBeNull();
    // At a node that does not know whose it is.
    const there = bindingsOn(logOf('there'));
    expect(await there.admits({ ...shared, instance: 'i-2' }, 'pay-us', 1)).toEqual(forbidden);
    expect(await there.admits({ ...hello, instance: 'i-3' }, 'pay-us', 1)).toBeNull();
  });

  it('that is refused for the instance leaves its shared resource to anyone', async () => {
    expect(await bindings.admits(hello, 'pay-eu')).toBeNull();
    const shared = { ...hello, sharedResource: 'db' };
    const there = bindingsOn(logOf('there'));
    expect(await there.admits(shared, 'pay-us', 1)).toEqual(forbidden);
    // Nor is the last place taken where there is none for both.
    const both = { ...shared, instance: 'i-2' };
    expect(await there.admits(both, 'pay-us', 1)).toMatchObject({ code: 'BUSY' });
    expect(await there.admits({ ...hello, instance: 'i-3' }, 'pay-us', 1)).toBeNull();
    expect(await bindings.admits(both, 'pay-eu')).toBeNull();
  });

  it('that is refused as what was retired leaves its shared resource to anyone', async () => {
    await here.log.retire(claim);
    const shared = { ...hello, sharedResource: 'db' };
    expect(await bindings.admits(shared, 'pay-us')).toEqual(forbidden);
    expect(await bindings.admits({ ...shared, instance: 'i-2' }, 'pay-eu')).toBeNull();
  });

  it('of two identities at two nodes at once one is let in', async () => {
    const there = bindingsOn(logOf('there'));
    const both = await Promise.all([
      bindings.admits(hello, 'pay-eu'),
      there.admits(hello, 'pay-us'),
    ]);
    expect(both.filter((refusal) => refusal === null)).toHaveLength(1);
    expect(both).toContainEqual(forbidden);
  });

  it('of 5,000 at once each is answered, with a bounded number of readings under way', async () => {
    bindings = bindingsOn(here, { maxUnderWay: 64 });
    const all = await Promise.all(
      Array.from({ length: 5_000 }, (_, at) =>
        bindings.admits({ name: 'payment', instance: `i-${at}` }, 'pay-eu'),
      ),
    );
    expect(all.every((refusal) => refusal === null)).toBe(true);
    expect(here.asked).toBe(5_000);
    expect(here.mostAtOnce).toBe(64);
    expect(bindings.waiting).toBe(0);
  });
});

describe('a log that cannot be read', () => {
  it.each([
    ['is silent', () => clock.advance(2_000)],
    ['fails', () => here.release(new DecisionLogError('etcd is away'))],
  ])('%s: who held it comes in, and no one else', async (_, then) => {
    expect(await bindings.admits(hello, 'pay-eu')).toBeNull();
    here.hold();
    const asked = [
      bindings.admits(hello, 'pay-eu'),
      bindings.admits(hello, 'pay-us'),
      bindings.admits({ ...hello, instance: 'new' }, 'pay-eu'),
      bindings.admits({ ...hello, sharedResource: 'db' }, 'pay-eu'),
    ];
    await turns();
    await then();
    expect(await Promise.all(asked)).toEqual([null, unavailable, unavailable, unavailable]);
    expect(clock.timers).toBe(0);
    here.release();
    expect(await bindings.admits(hello, 'pay-us')).toEqual(forbidden);
  });

  it('those that wait for a turn are not read once they are late', async () => {
    bindings = bindingsOn(here, { maxUnderWay: 1 });
    here.hold();
    const asked = ['a', 'b', 'c'].map((instance) =>
      bindings.admits({ name: 'payment', instance }, 'pay-eu'),
    );
    await turns();
    await clock.advance(2_000);
    expect(await Promise.all(asked)).toEqual([unavailable, unavailable, unavailable]);
    here.release();
    await turns();
    expect(here.asked).toBe(1);
    expect(bindings.waiting).toBe(0);
  });

  it('no more is remembered than may be', async () => {
    bindings = bindingsOn(here, { maxKnown: 2 });
    for (const instance of ['a', 'b', 'a', 'c']) {
      await bindings.admits({ name: 'payment', instance }, 'pay-eu');
    }
    here.hold();
    const asked = ['a', 'b', 'c'].map((instance) =>
      bindings.admits({ name: 'payment', instance }, 'pay-eu'),
    );
    await turns();
    await clock.advance(2_000);
    expect(await Promise.all(asked)).toEqual([null, unavailable, null]);
    here.release();
  });
});

describe('a rebind at another node', () => {
  beforeEach(async () => {
    expect(await bindings.admits(hello, 'pay-eu')).toBeNull();
  });
  const rebind = (identity: string) => logOf('there').log.rebind(claim, identity);

  it('is told, so that connections end, and holds from then on', async () => {
    await rebind('pay-us');
    expect(told).toEqual([{ claim, identity: 'pay-us' }]);
    expect(await bindings.admits(hello, 'pay-eu')).toEqual(forbidden);
    expect(await bindings.admits(hello, 'pay-us')).toBeNull();
  });

  it('holds where the log cannot be read: what was remembered is over', async () => {
    await rebind('pay-us');
    here.hold();
    const asked = [bindings.admits(hello, 'pay-eu'), bindings.admits(hello, 'pay-us')];
    await turns();
    await clock.advance(2_000);
    expect(await Promise.all(asked)).toEqual([unavailable, null]);
    here.release();
  });

  it('that comes while a hello is read has it read again', async () => {
    here.hold();
    const former = bindings.admits(hello, 'pay-eu');
    await turns();
    await rebind('pay-us');
    here.release();
    expect(await former).toEqual(forbidden);
  });

  it('that comes between the reading and the welcome shows in the turn of the welcome', async () => {
    expect(bindings.refusal(hello, 'pay-eu')).toBeNull();
    await rebind('pay-us');
    expect(bindings.refusal(hello, 'pay-eu')).toEqual(forbidden);
    expect(bindings.refusal(hello, 'pay-us')).toBeNull();
  });

  it('is not heard of after the end', async () => {
    bindings.close();
    await rebind('pay-us');
    expect(told).toEqual([]);
  });
});
