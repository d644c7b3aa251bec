/**
 * What a service does before its first prepare, while branches of the process before may still hold
 * its rows.
 */
import { describe, expect, it } from 'vitest';
import { serveParticipant } from '../../../src/participant/serve.ts';
import { type ServeBaseOptions, vote } from '../../../src/participant.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import { MemoryDialer } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf, welcomeOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const txid = txidOf(1);

type Settings = Pick<ServeBaseOptions, 'ready' | 'readyTimeoutMs'>;

function start(ready: NonNullable<Settings['ready']>, more: Settings = {}) {
  const journal = new WatchedJournal();
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  const application = new ScriptedResource();
  const warnings: unknown[] = [];
  journal.wallMs = () => clock.wallMs();
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    error: () => undefined,
    warn: (what: object, text?: string) => warnings.push({ ...what, text }),
  };
  const serving = () =>
    serveParticipant({
      name: 'inventory',
      urls: ['n1:7070'],
      random: seededRandom(),
      journal,
      dialer,
      clock,
      logger: logger as never,
      resource: application,
      ready,
      ...more,
    });
  /** It dials once it is set up, which takes any number of turns: its adapters are loaded first. */
  const dialling = () => dialer.arrival('ws://n1:7070/v1');
  const node = async () => {
    const connection = (await dialling()).accept();
    connection.take();
    connection.deliver(welcomeOf('n1'));
    await settle();
    return connection;
  };
  return { journal, clock, application, warnings, serving, dialling, node };
}

describe('ready', () => {
  it('waits until the branch in doubt is ended, and names it when that takes long; prepares wait for ready', async () => {
    const order: string[] = [];
    const { journal, clock, application, warnings, serving, node } = start(() => {
      order.push(`ready after ${application.calls.join()}`);
    });
    journal.put({ txid, branch: 'stock', state: 'prepared', payload: 1, result: 2 });
    const served = serving();
    const n1 = await node();
    await clock.advance(900);
    await settle();
    await tell(n1, prepareOf(txidOf(2)));
    expect(warnings).toEqual([]);
    await clock.advance(200);
    await settle();
    expect(warnings).toMatchObject([{ branches: [{ txid, branch: 'stock' }], count: 1 }]);
    expect(order).toEqual([]);
    await tell(n1, commandOf('commit', txid));
    await clock.advance(100);
    await served;
    await settle();
    expect(order).toEqual(['ready after commit stock']);
    expect(application.calls).toEqual(['commit stock', 'prepare stock']);
    expect(said(n1)).toContain('vote commit');
  });

  it('needs no node where nothing is in doubt', async () => {
    let called = 0;
    const { serving } = start(() => {
      called += 1;
    });
    await serving();
    expect(called).toBe(1);
  });

  it('that throws is what serveParticipant rejects with', async () => {
    const { serving } = start(() => {
      throw new Error('no such column');
    });
    await expect(serving()).rejects.toThrow('no such column');
  });

  describe('has a time-out over all of it', () => {
    it('where it could not be called: the error names the branches, and the participant is closed', async () => {
      let called = false;
      const { journal, clock, serving, dialling, warnings } = start(() => {
        called = true;
      });
      journal.put({ txid, branch: 'stock', state: 'prepared', payload: 1, result: 2 });
      const served = serving();
      const failed = expect(served).rejects.toMatchObject({
        code: 'TIMEOUT',
        message: expect.stringMatching(
          new RegExp(`within 600000 ms.*stock of ${txid}.*tx show TXID`),
        ),
      });
      await dialling();
      await clock.advance(599_000);
      // Told at once, then once a minute.
      expect(warnings.length).toBeGreaterThan(5);
      expect(warnings.length).toBeLessThan(15);
      await clock.advance(12_000);
      await failed;
      expect(called).toBe(false);
    });

    it('where it does not end: its signal fires, and no prepare runs', async () => {
      let signal: AbortSignal | null = null;
      const stuck = ({ signal: given }: { readonly signal: AbortSignal }): Promise<void> => {
        signal = given;
        return new Promise(() => undefined);
      };
      const { clock, serving, application, node } = start(stuck, { readyTimeoutMs: 3_000 });
      const failed = expect(serving()).rejects.toThrow(/not ended within 3000 ms.*readyTimeoutMs/);
      const n1 = await node();
      await tell(n1, prepareOf(txidOf(2)));
      await clock.advance(2_900);
      expect(signal).toMatchObject({ aborted: false });
      await clock.advance(20_000);
      await failed;
      expect(signal).toMatchObject({ aborted: true });
      expect(application.calls).not.toContain('prepare stock');
    });

    it('unless that is 0, and takes no nonsense', async () => {
      let end: () => void = () => undefined;
      const slow = (): Promise<void> =>
        new Promise((resolve) => {
          end = resolve;
        });
      const { clock, serving, dialling } = start(slow, { readyTimeoutMs: 0 });
      const served = serving();
      await dialling();
      await clock.advance(7_200_000);
      end();
      await served;
      for (const readyTimeoutMs of [-1, 0.5, Number.NaN]) {
        const refused = start(slow, { readyTimeoutMs }).serving();
        await expect(refused).rejects.toThrow('readyTimeoutMs must be');
      }
    });
  });

  it('takes a resource that is frozen, as any other', async () => {
    const { serving } = start(() => undefined, {
      resource: Object.freeze({
        prepare: () => vote.commit(),
        commit: () => undefined,
        rollback: () => undefined,
        inDoubt: () => [],
      }),
    } as never);
    await serving();
  });
});
