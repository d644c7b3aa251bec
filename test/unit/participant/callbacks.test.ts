/** Callbacks of the application's that fail, or that come late: they end nothing. */
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ParticipantAlarm, silentLogger } from '../../../src/participant.ts';
import {
  commandOf,
  prepareOf,
  rig,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);

/** Whether a rejection that no one handles ends the process is Node's to say. */
function unhandled(): unknown[] {
  const seen: unknown[] = [];
  const listener = (error: unknown): void => void seen.push(error);
  process.on('unhandledRejection', listener);
  onTestFinished(() => void process.off('unhandledRejection', listener));
  return seen;
}

class Forgetting extends ScriptedResource {
  readonly #fails: () => void;

  constructor(fails: () => void) {
    super();
    this.#fails = fails;
  }

  forgotten(): void {
    return this.#fails();
  }
}

const rejects = (() => Promise.reject(new Error('no connection'))) as () => void;
const throws = (): void => {
  throw new Error('no connection');
};

it.each([
  ['throws', throws],
  ['rejects', rejects],
])('forgotten() that %s is logged, and what was forgotten is', async (_how, fails) => {
  const seen = unhandled();
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  const { node, fatal, journal } = await rig({ application: new Forgetting(fails), logger });
  const n1 = await node('n1');
  await tell(n1, prepareOf(txid));
  await tell(n1, commandOf('commit', txid));
  await tell(n1, { type: 'forget', txids: [txid] });
  await new Promise((resolve) => setImmediate(resolve));
  expect(fatal).toEqual([]);
  expect(seen).toEqual([]);
  expect(warnings).toMatchObject([{ txid, error: 'Error: no connection' }]);
  expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
  n1.take();
  await tell(n1, prepareOf(txidOf(2)));
  expect(said(n1)).toEqual(['vote commit']);
});

it('an onAlarm that rejects is logged: no rejection is left to end the process', async () => {
  const seen = unhandled();
  const errors: object[] = [];
  const logger = { ...silentLogger, error: (fields: object) => void errors.push(fields) };
  const told: ParticipantAlarm[] = [];
  const { node } = await rig({
    logger,
    onAlarm: (async (alarm: ParticipantAlarm) => {
      told.push(alarm);
      throw new Error('no pager');
    }) as (alarm: ParticipantAlarm) => void,
  });
  const n1 = await node('n1');
  await tell(n1, commandOf('commit', txid));
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toMatchObject([{ alarm: 'commit-of-unknown' }]);
  expect(seen).toEqual([]);
  expect(errors).toContainEqual({ error: 'Error: no pager' });
});

describe('calls that do not return', () => {
  interface Late {
    readonly count: number;
    readonly waiting: number;
    readonly calls: readonly object[];
  }

  async function hanging() {
    const late: Late[] = [];
    const logger = {
      ...silentLogger,
      warn: (fields: object, text: string) => {
        if (text.startsWith('calls of the application')) late.push(fields as Late);
      },
    };
    const registry = new Registry();
    const made = await rig({ options: { maxConcurrency: 1 }, logger, metrics: registry });
    const n1 = await made.node('n1');
    const figure = async (call: string): Promise<string | undefined> =>
      (await registry.metrics())
        .split('\n')
        .find((line) => line.startsWith('verdict_participant_late_calls') && line.includes(call));
    return { ...made, n1, late, figure };
  }

  it('are told with their transactions, once a minute, and counted while they last', async () => {
    const { n1, application, clock, participant, late, figure } = await hanging();
    await tell(n1, prepareOf(txidOf(1)));
    await tell(n1, prepareOf(txidOf(2)));
    const hung = Promise.withResolvers<void>();
    application.commit = () => hung.promise;
    await tell(n1, commandOf('commit', txidOf(1)), commandOf('commit', txidOf(2)));
    await clock.advance(9_000);
    expect([late, await figure('commit')]).toEqual([[], expect.stringMatching(/ 0$/)]);
    await clock.advance(1_100);
    const calls = [{ call: 'commit', txid: txidOf(1), branch: 'stock', sinceMs: 10_000 }];
    expect(late).toEqual([{ participant: 'inventory', count: 1, waiting: 1, calls }]);
    expect(await figure('commit')).toMatch(/ 1$/);
    await clock.advance(55_000);
    expect(late).toHaveLength(1);
    await clock.advance(10_000);
    expect(late).toHaveLength(2);
    hung.resolve();
    await settle();
    expect(await figure('commit')).toMatch(/ 0$/);
    await clock.advance(100_000);
    expect(late).toHaveLength(2);
    await participant.close();
    expect(clock.timers).toBe(0);
  });

  it('are a prepare, too, that goes on after its time-out, but none within it', async () => {
    const { n1, application, clock, late } = await hanging();
    application.answer = () => new Promise(() => undefined);
    await tell(n1, prepareOf(txid, { timeoutMs: 30_000 }));
    await clock.advance(39_900);
    expect(late).toEqual([]);
    await clock.advance(10_100);
    expect(late).toMatchObject([{ count: 1, calls: [{ call: 'prepare', txid }] }]);
  });
});

it('what waits for its turn when it is closed is not called afterwards', async () => {
  const { node, application, participant, clock } = await rig({ options: { maxConcurrency: 1 } });
  const n1 = await node('n1');
  const [first, second] = [txidOf(1), txidOf(2)] as const;
  await tell(n1, prepareOf(first));
  await tell(n1, prepareOf(second));
  const hung = Promise.withResolvers<void>();
  application.commit = async ({ txid: called }) => {
    application.calls.push(`commit ${called === first ? 'first' : 'second'}`);
    await hung.promise;
  };
  await tell(n1, commandOf('commit', first), commandOf('commit', second));
  expect(application.calls.slice(2)).toEqual(['commit first']);
  const closing = participant.close({ timeoutMs: 100 });
  await clock.advance(100);
  await closing;
  hung.resolve();
  await settle();
  // Its store may be closed by now; and whoever has the journal next calls for it.
  expect(application.calls.slice(2)).toEqual(['commit first']);
});
