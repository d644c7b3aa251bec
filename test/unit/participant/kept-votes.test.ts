/** A store that keeps votes: what is sent ahead of the journal, and what a restart makes of it. */
import { describe, expect, it } from 'vitest';
import type { DecisionMessage, FromNode, ToNode } from '../../../src/core/messages.ts';
import type { HeldBranch } from '../../../src/participant.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import type { MemoryConnection } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  type Rig,
  type RigOptions,
  rig,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const own = { txid, branch: 'stock' };

class KeepingStore extends ScriptedResource {
  readonly identity: string = 'db-1';
  readonly keepsVotes: boolean = true;
  held: HeldBranch[] = [];

  inDoubt(): readonly HeldBranch[] {
    return this.held;
  }
}

async function over(
  store: KeepingStore,
  options: RigOptions = {},
): Promise<Rig & { n1: MemoryConnection }> {
  const made = await rig({ application: store, ...options });
  return { ...made, n1: await made.node('n1') };
}

/** After a process that prepared, and died. */
function left(): KeepingStore {
  const store = new KeepingStore();
  store.held = [own];
  return store;
}

function asked(connection: MemoryConnection): Extract<ToNode, { type: 'query' }> {
  const query = connection.take().find((message) => message.type === 'query');
  if (query === undefined) throw new Error('Nothing was asked.');
  return query;
}

function answer({ id }: { readonly id: number }, decision: DecisionMessage['decision']): FromNode {
  return { type: 'decision', id, txid, decision, source: 'recorded' };
}

describe('a vote that the store keeps', () => {
  it('is sent, and its commit acknowledged, with nothing in the journal', async () => {
    const journal = new WatchedJournal();
    journal.keeps = true;
    const { n1 } = await over(new KeepingStore(), { journal });
    said(n1);
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['vote commit', 'ack commit ok']);
    expect(journal.state(own)).toBeNull();
  });

  it.each([
    ['whose journal says that it cannot take it', { keeps: false }],
    ['whose journal several processes share', { keeps: true, sharedResource: 'disk' }],
  ] as const)('waits for one %s', async (_what, { keeps, ...more }) => {
    const journal = new WatchedJournal();
    journal.keeps = keeps;
    const go = journal.hold('vote');
    const { n1 } = await over(new KeepingStore(), { journal, ...more });
    said(n1);
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual([]);
    go();
    await settle();
    expect(said(n1)).toEqual(['vote commit']);
    expect(journal.state(own)).toBe('prepared');
  });

  it('is written where the store does not say so', async () => {
    const journal = new WatchedJournal();
    journal.keeps = true;
    const { n1 } = await over(
      new (class extends KeepingStore {
        override readonly keepsVotes = false;
      })(),
      { journal },
    );
    await tell(n1, prepareOf(txid));
    expect(journal.state(own)).toBe('prepared');
  });
});

describe('what the store holds, and the journal has nothing of', () => {
  it.each([
    ['commit', 'commit stock'],
    ['abort', 'rollback stock'],
  ] as const)('is asked about at once, and ended as it was decided: %s', async (decision, call) => {
    const store = left();
    const { n1, participant } = await over(store);
    expect(participant.inDoubt()).toEqual([own]);
    expect(store.calls).toEqual([]);
    await tell(n1, answer(asked(n1), decision));
    expect(store.calls).toEqual([call]);
    expect(participant.inDoubt()).toEqual([]);
  });

  it('ends on a command as well, which is acknowledged', async () => {
    const store = left();
    const { n1 } = await over(store);
    said(n1);
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['ack commit ok']);
    expect(store.calls).toEqual(['commit stock']);
  });

  it('answers its prepare with abort, and holds on until there is a decision', async () => {
    const store = left();
    const { n1, journal } = await over(store);
    const query = asked(n1);
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote abort']);
    expect([store.calls, journal.state(own)]).toEqual([[], null]);
    await tell(n1, answer(query, 'abort'));
    expect([store.calls, journal.state(own)]).toEqual([['rollback stock'], 'tombstone']);
  });

  it('is shown with where the log stood, as far as the journal knows', async () => {
    const journal = new WatchedJournal();
    journal.sawLog(0, { generation: 0, revision: '77' });
    const { n1 } = await over(left(), { journal });
    expect(asked(n1).witness).toEqual({ generation: 0, revision: '77' });
  });

  it('keeps ready waiting: its rows are locked', async () => {
    let isReady = false;
    const store = left();
    const serving = over(store, {
      ready: () => {
        isReady = true;
      },
    }).catch(() => undefined);
    await settle();
    expect(isReady).toBe(false);
    void serving;
  });

  it('is looked for again: a server may list it only after its own restart', async () => {
    const store = new KeepingStore();
    const { n1, clock } = await over(store);
    await clock.advance(30_000);
    store.held = [own];
    await clock.advance(11_000);
    await tell(n1, answer(asked(n1), 'abort'));
    expect(store.calls).toEqual(['rollback stock']);
  });

  it('needs an outcome before the journal serves another cluster', async () => {
    const journal = new WatchedJournal();
    await journal.bind('one');
    await journal.vote({
      ...own,
      branch: 'other',
      txid: txidOf(2),
      state: 'readonly',
      epoch: prepareOf(txid).epoch,
      witness: null,
      atMs: 0,
    });
    const application = left();
    await expect(rig({ application, journal, adoptCluster: { id: 'two' } })).rejects.toThrow(txid);
    const inDoubt = { [txid]: 'commit' as const };
    await rig({ application, journal, adoptCluster: { id: 'two', inDoubt } });
    expect(application.calls).toContain('commit stock');
  });
});
