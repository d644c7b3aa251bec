/** What a service does before its first prepare, while branches of the process before may still hold its rows. */
import { describe, expect, it } from 'vitest';
import { serveParticipant } from '../../../src/participant/serve.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { MemoryDialer } from '../../support/memory-dialer.ts';
import { txidOf, welcomeOf } from '../../support/messages.ts';
import {
  commandOf,
  prepareOf,
  ScriptedResource,
  said,
  tell,
} from '../../support/participant-rig.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { WatchedJournal } from '../../support/watched-journal.ts';

const txid = txidOf(1);

function start(ready: () => void) {
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
    });
  const node = async () => {
    const connection = dialer.next('ws://n1:7070/v1').accept();
    connection.take();
    connection.deliver(welcomeOf('n1'));
    await settle();
    return connection;
  };
  return { journal, clock, application, warnings, serving, node };
}

describe('ready', () => {
  it('waits until the branch in doubt is ended, and names it when that takes long; prepares wait for ready', async () => {
    const order: string[] = [];
    const { journal, clock, application, warnings, serving, node } = start(() => {
      order.push(`ready after ${application.calls.join()}`);
    });
    journal.put({ txid, branch: 'stock', state: 'prepared', payload: 1, result: 2 });
    const served = serving();
    const n1 = await settle().then(node);
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
});
