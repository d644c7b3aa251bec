/**
 * A resource under the SDK, whose journal remembers what the resource alone would not: late and
 * repeated messages.
 */

import { afterEach, describe, expect, it } from 'vitest';
import type { Prepare, ToNode } from '../../src/core/messages.ts';
import type { Txid } from '../../src/core/txid.ts';
import { type ParticipantHandle, serveParticipant } from '../../src/participant/serve.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { realClock } from '../support/logs/stores.ts';
import { WatchedJournal } from '../support/logs/watched-journal.ts';
import { type MemoryConnection, MemoryDialer } from '../support/network/memory-dialer.ts';
import { commandOf, inShort, prepareOf } from '../support/participants/participant-rig.ts';
import { eventually } from '../support/process/child.ts';
import { txidOf, welcomeOf } from '../support/samples/messages.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import type { ResourceHarness } from './resource.ts';

export function resourceWithSdk(harnessNow: () => ResourceHarness): void {
  describe('under the SDK', () => {
    let served: Served | null = null;
    afterEach(async () => {
      await served?.abandon();
      served = null;
    });

    async function serve(journal: Journal): Promise<Served> {
      await served?.abandon();
      served = await Served.start(harnessNow(), journal);
      return served;
    }

    async function crash(): Promise<void> {
      await served?.abandon();
      await harnessNow().crash();
      await harnessNow().start();
    }

    const prepareOfKey = (txid: Txid, key: string, value: string): Prepare =>
      prepareOf(txid, { payload: harnessNow().payloadThatWrites({ [key]: value }) });

    /** A whole transaction, which somebody who still held the key would refuse. */
    async function write(to: Served, txid: Txid, key: string, value: string): Promise<void> {
      await to.ask(prepareOfKey(txid, key, value), 'vote commit');
      await to.ask(commandOf('commit', txid), 'ack commit ok');
      expect(await harnessNow().visible(key)).toBe(value);
    }

    it('votes abort to a prepare that comes after its rollback, and holds nothing for it', async () => {
      const node = await serve(new WatchedJournal());
      await node.ask(commandOf('rollback', txidOf(1)), 'ack abort ok');
      await node.ask(prepareOfKey(txidOf(1), 'a', '1'), 'vote abort');
      expect(await harnessNow().resource.inDoubt()).toEqual([]);
      await write(node, txidOf(2), 'a', '2');
    });

    it('runs nothing again that was committed and forgotten', async () => {
      const node = await serve(new WatchedJournal());
      await write(node, txidOf(1), 'a', '1');
      await node.tell({ type: 'forget', txids: [txidOf(1)] });
      await write(node, txidOf(2), 'a', '2');
      await node.ask(prepareOfKey(txidOf(1), 'a', '1'), 'vote abort');
      expect(await harnessNow().visible('a')).toBe('2');
      expect(await harnessNow().resource.inDoubt()).toEqual([]);
    });

    it('rolls back what was prepared when the crash came before the vote was written', async () => {
      const journal = new WatchedJournal();
      const before = await serve(stuckAt(journal, 'vote'));
      await before.tell(prepareOfKey(txidOf(1), 'a', '1'));
      await eventually(
        async () => ((await harnessNow().resource.inDoubt()).length === 1 ? true : null),
        () => 'the branch to be prepared',
      );
      await crash();
      expect(await harnessNow().resource.inDoubt()).toHaveLength(1);
      const after = await serve(journal);
      await eventually(
        async () => ((await harnessNow().resource.inDoubt()).length === 0 ? true : null),
        () => 'the rollback',
      );
      await after.ask(prepareOfKey(txidOf(1), 'a', '1'), 'vote abort');
      expect(await harnessNow().visible('a')).toBeNull();
      await write(after, txidOf(2), 'a', '2');
    });

    it.each(['commit', 'rollback'] as const)('ends a doubt after a crash: %s', async (outcome) => {
      const journal = new WatchedJournal();
      const before = await serve(journal);
      await before.ask(prepareOfKey(txidOf(1), 'a', '1'), 'vote commit');
      await crash();
      const after = await serve(journal);
      expect(after.participant.inDoubt()).toHaveLength(1);
      expect(await harnessNow().visible('a')).toBeNull();
      const decision = outcome === 'commit' ? 'commit' : 'abort';
      await after.ask(commandOf(outcome, txidOf(1)), `ack ${decision} ok`);
      expect(await harnessNow().visible('a')).toBe(outcome === 'commit' ? '1' : null);
      await write(after, txidOf(2), 'a', '2');
    });

    it('commits once where the crash came between the commit and the record of it', async () => {
      const journal = new WatchedJournal();
      const before = await serve(stuckAt(journal, 'committed'));
      await before.ask(prepareOfKey(txidOf(1), 'a', '1'), 'vote commit');
      await before.tell(commandOf('commit', txidOf(1)));
      await eventually(
        async () => ((await harnessNow().visible('a')) === '1' ? true : null),
        () => 'the commit',
      );
      await crash();
      const after = await serve(journal);
      await write(after, txidOf(2), 'a', '2');
      await after.ask(commandOf('commit', txidOf(1)), 'ack commit ok');
      expect(await harnessNow().visible('a')).toBe('2');
    });
  });
}

/** A participant and its one node, which is the test. */
class Served {
  readonly participant: ParticipantHandle;
  readonly #connection: MemoryConnection;
  readonly #said: ToNode[] = [];

  static async start(harness: ResourceHarness, journal: Journal): Promise<Served> {
    const dialer = new MemoryDialer();
    const participant = await serveParticipant({
      logger: silentLogger,
      name: 'inventory',
      urls: ['n1:7070'],
      random: seededRandom(),
      clock: realClock,
      journal,
      dialer,
      // The one of this start: what the participant still asks for after a crash reaches no one.
      resource: harness.resource,
      onFatal: () => undefined,
    });
    const connection = dialer.next('ws://n1:7070/v1').accept();
    connection.deliver(welcomeOf('n1'));
    return new Served(participant, connection);
  }

  private constructor(participant: ParticipantHandle, connection: MemoryConnection) {
    this.participant = participant;
    this.#connection = connection;
  }

  async tell(message: Parameters<MemoryConnection['deliver']>[0]): Promise<void> {
    this.#connection.deliver(message);
  }

  /** Resolves with the first answer that reads so; another vote or acknowledgement fails. */
  async ask(message: Parameters<MemoryConnection['deliver']>[0], answer: string): Promise<void> {
    this.#said.length = 0;
    this.#connection.take();
    this.#connection.deliver(message);
    const found = await eventually(
      () => {
        this.#said.push(...this.#connection.take());
        return this.#said.find(({ type }) => type === 'vote' || type === 'ack') ?? null;
      },
      () => answer,
    );
    expect(inShort(found)).toBe(answer);
  }

  async abandon(): Promise<void> {
    this.#connection.drop();
    await this.participant.close({ timeoutMs: 1 });
  }
}

/**
 * The journal as a process sees it that is killed while it writes this: the write never comes to
 * be.
 */
function stuckAt(journal: WatchedJournal, kind: 'vote' | 'committed'): Journal {
  return new Proxy(journal, {
    get: (target, name) => {
      if (name === kind) return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
