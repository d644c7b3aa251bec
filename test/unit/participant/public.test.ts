/** The public entry as a service uses it: mostly a matter of types, which the compiler checks. */
import { expect, it } from 'vitest';
import {
  defineParticipant,
  type Resource,
  serveParticipant,
  vote,
} from '../../../src/participant.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import { MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

interface Order {
  readonly sku: string;
  readonly count: number;
}

const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const;

class Stock implements Resource<Order, number> {
  readonly #reserved = new Map<string, Order>();

  prepare({ txid, payload, signal }: { txid: string; payload: Order; signal: AbortSignal }) {
    if (signal.aborted || payload.count > 10) return vote.abort('too little stock');
    if (payload.count === 0) return vote.readonly();
    this.#reserved.set(txid, payload);
    return vote.commit(10 - payload.count);
  }

  commit({ txid }: { txid: string }): void {
    this.#reserved.delete(txid);
  }

  rollback({ txid }: { txid: string }): void {
    this.#reserved.delete(txid);
  }
}

const settings = () => ({
  name: 'inventory',
  urls: ['127.0.0.1:7070'],
  journal: new WatchedJournal(),
  dialer: new MemoryDialer(),
  clock: new ManualClock(),
  random: seededRandom(),
});

it('a resource is an object of its own, or spread among the settings', async () => {
  const one = await serveParticipant<Order, number>({ ...settings(), resource: new Stock() });
  await using other = await serveParticipant<Order, number>({
    ...settings(),
    prepare: async ({ payload, working }) => {
      working();
      if (payload.sku === '') return vote.abort('no such thing', { code: 'CONFLICT', detail: {} });
      return payload.count === 0 ? vote.readonly() : vote.commit(payload.count);
    },
    commit: async ({ payload }) => {
      expect(payload?.sku).toBe('never called');
    },
    rollback: async () => undefined,
    inDoubt: async () => [],
  });
  expect([one.name, one.inDoubt()]).toEqual(['inventory', []]);
  expect(one.instance).toBe(other.instance);
  await one.close();
  await one.close();
});

it.each(['name', 'sharedResource'])(
  'what no node takes as %s is refused at once',
  async (field) => {
    for (const text of ['', '__proto__', 'a\u202eb', 'a\u200bb', 'x'.repeat(129)]) {
      await expect(
        serveParticipant({ ...settings(), [field]: text, resource: new Stock() }),
      ).rejects.toThrow(`${field} must be a name of 1 to 128 bytes`);
    }
  },
);

it('what no node takes as the name of a branch is refused at the call', async () => {
  await using participant = await serveParticipant({ ...settings(), resource: new Stock() });
  await expect(participant.enlist(txidOf(1), { branch: '__proto__' })).rejects.toMatchObject({
    code: 'INVALID_MESSAGE',
    message: expect.stringContaining('enlist.branch'),
  });
});

const stock = () => ({
  prepare: () => vote.commit(),
  commit: () => undefined,
  rollback: () => undefined,
});

it.each([
  [{}, 'Participant inventory has no method prepare. Give prepare, commit and rollback'],
  [{ ...stock(), commit: undefined }, 'Participant inventory has no method commit.'],
  [{ resource: { ...stock(), rollback: 5 } }, 'Participant inventory has no method rollback.'],
  [{ resource: undefined }, 'Participant inventory has no method prepare.'],
  [{ resource: null }, 'Participant inventory has no method prepare.'],
  [{ resource: { resource: stock } }, 'has no method prepare. Give what its resource() returns'],
  [{ resource: stock }, 'has no method prepare. This is a function: call it'],
  [{ resource: Promise.resolve(stock()) }, 'has no method prepare. This is a promise: await it'],
  [{ ...stock(), begin: null }, 'begin of participant inventory must be a method.'],
  [{ ...stock(), inDoubt: [] }, 'inDoubt of participant inventory must be a method.'],
  [{ resource: { ...stock(), forgotten: 5 } }, 'forgotten of participant inventory must be a'],
])('what lacks a method is not served: %o', async (resource, text) => {
  const refused = serveParticipant({ ...settings(), ...resource } as never);
  await expect(refused).rejects.toThrow(TypeError);
  await expect(refused).rejects.toThrow(text);
});

it.each([[undefined], [null], ['inventory']])('settings that are none: %j', async (given) => {
  await expect(serveParticipant(given as never)).rejects.toThrow(
    'serveParticipant takes an object: { name, urls, dataDirectory, prepare, commit, rollback }',
  );
});

it.each<[object, RegExp]>([
  [{ resource: new Stock(), sharedresource: 'x' }, /"sharedresource".*sharedResource/],
  [{ resource: new Stock(), commit: () => undefined }, /"commit"/],
  [{ resource: new Stock(), onAlarm: 'x' }, /onAlarm in serveParticipant's options must be a func/],
  [{ resource: new Stock(), payload: { sku: 'lamp' } }, /payload .* must be a schema/],
  [
    { ...new Stock(), prepare: vote.commit, commit: vote.commit, rollback: vote.commit, db: 1 },
    /"db"/,
  ],
])('%j is refused at once', async (given, said) => {
  await expect(serveParticipant({ ...settings(), ...given } as never)).rejects.toThrow(said);
});

it.each<[string, object]>([
  ['a contract', defineParticipant({ name: 'inventory', payload: anything })],
  ['methods of its own', { close: () => undefined }],
])('%s may be spread among the settings', async (_what, more) => {
  const { prepare, commit, rollback } = Stock.prototype;
  const methods = { prepare, commit, rollback } as unknown as Resource;
  const participant = await serveParticipant({ ...more, ...settings(), ...methods });
  await participant.close();
});

it('an object of a class has fields of its own', async () => {
  const own = Object.assign(new Stock(), settings(), { pool: 1 });
  const participant = await serveParticipant<Order, number>(own);
  await participant.close();
});

it.each<[object | null | string]>([
  [null],
  ['info'],
  [{}],
  [{ info: () => undefined, warn: () => undefined, error: () => undefined }],
])('%j is no logger', async (logger) => {
  const options = { ...settings(), resource: new Stock(), logger: logger as never };
  await expect(serveParticipant(options)).rejects.toThrow(/logger .* has no method/);
});

it('a logger that throws ends nothing', async () => {
  const full = (): never => {
    throw new Error('The disk is full.');
  };
  const logger = { debug: full, info: full, warn: full, error: full };
  const participant = await serveParticipant({ ...settings(), resource: new Stock(), logger });
  await participant.close();
});

it.each<[object, RegExp]>([
  [{ etcds: {} }, /"etcds" in decisionLog/],
  [{ etcd: { endpoints: ['http://127.0.0.1:1'], cluster: 'c', resolv: true } }, /"resolv"/],
  [
    { etcd: { endpoints: [], cluster: 'c', auth: { user: 'x' } } },
    /"user" in decisionLog.etcd.auth/,
  ],
])('%j is no decision log', async (decisionLog, said) => {
  const options = { ...settings(), resource: new Stock(), decisionLog: decisionLog as never };
  await expect(serveParticipant(options)).rejects.toThrow(said);
});

it.each<[unknown]>([[undefined], [null], [5], ['x']])(
  'inDoubt that returns %j is refused',
  async (listed) => {
    const resource = Object.assign(new Stock(), { inDoubt: () => listed as never });
    await expect(serveParticipant({ ...settings(), resource })).rejects.toThrow(
      'inDoubt must return a list of branches',
    );
  },
);

it('enlist takes no field that does not exist', async () => {
  await using participant = await serveParticipant({ ...settings(), resource: new Stock() });
  const enlist = participant.enlist(txidOf(1), { branches: 'x' } as never);
  await expect(enlist).rejects.toThrow('There is no field "branches" in enlist.');
});
