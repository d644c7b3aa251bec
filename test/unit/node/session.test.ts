/** What a node makes of one connection: how old it is, and what its peer was shown. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LogReads } from '../../../src/coordinator/log-reads.ts';
import type { FromNode, Hello, ToNode, Witness } from '../../../src/core/messages.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { answerFromLog } from '../../../src/node/judge-from-log.ts';
import { Session } from '../../../src/node/session.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { Connection } from '../../../src/ports/transport.ts';
import { never, txidAt } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const judging = {
  logReads: new LogReads(new ManualClock()),
  write: () => undefined,
};

const maxPingAgeMs = 30_000;
const hello: Hello = {
  type: 'hello',
  protocol: 1,
  name: 'p',
  instance: 'i',
  roles: ['participant', 'client'],
};

let clock: ManualClock;
let received: ToNode['type'][];
let sent: FromNode[];
let pingSentAtMs: number;
let isOpen: boolean;
let session: Session;

beforeEach(() => {
  clock = new ManualClock();
  received = [];
  sent = [];
  pingSentAtMs = clock.monotonicMs();
  isOpen = true;
  const end = (): void => {
    isOpen = false;
  };
  const connection: Connection<FromNode> = {
    remoteAddress: 'memory',
    send: (message) => sent.push(message),
    close: end,
    terminate: end,
    answeredPingAgeMs: () => clock.monotonicMs() - pingSentAtMs,
    bufferedBytes: () => 0,
  };
  session = new Session({
    id: 1,
    connection,
    host: {
      given: { clock, options: { handshakeTimeoutMs: 60_000, maxPingAgeMs } },
      admit: () => null,
      opened: () => undefined,
      received: (_session, message) => received.push(message.type),
      ended: () => undefined,
      unsendable: () => undefined,
      invalid: () => undefined,
    },
  });
});

describe('a connection whose last answered ping is old', () => {
  const begin: ToNode = { type: 'begin', id: 1 };

  it('is closed before the message is handled, which may have lain in a buffer since then', () => {
    session.message(hello);
    clock.jump(maxPingAgeMs);
    session.message(begin);
    expect(received).toEqual(['begin']);
    expect(isOpen).toBe(true);
    clock.jump(1);
    session.message(begin);
    expect(received).toEqual(['begin']);
    expect(isOpen).toBe(false);
  });

  it('is not let in by its hello either, and stays when a later ping was answered', () => {
    clock.jump(maxPingAgeMs + 1);
    session.message(hello);
    expect(session.hello).toBeNull();
    expect(isOpen).toBe(false);
    isOpen = true;
    pingSentAtMs = clock.monotonicMs() - maxPingAgeMs;
    session.message(hello);
    session.message(begin);
    expect(received).toEqual(['begin']);
    expect(isOpen).toBe(true);
  });
});

describe('a node that does not lead', () => {
  async function asked(type: 'query' | 'resolve', shown: (log: Witness) => Witness) {
    const store = new MemoryLogStore({ generation: 1 });
    const log = openMemoryLog({ store, node: 'n2', url: 'ws://n2', clock });
    const leader = openMemoryLog({ store, node: 'n1', url: 'ws://n1', clock });
    const gone = await leader.campaign(0, { signal: never });
    await gone.resign();
    await (await leader.campaign(0, { signal: never })).tick(1);
    // Of a leadership that is over: absence means abort, unless the log has lost what was there.
    const txid = txidAt(gone.epoch, 1);
    const witness = shown((await log.read(txid)).witness);
    session.message(hello);
    const question =
      type === 'query'
        ? ({ type, id: 7, txid, inDoubt: true, witness } as const)
        : ({ type, id: 7, txid, witness } as const);
    const given = { log, clock, logger: silentLogger };
    const judge = { ...judging, given, refuseRetired: () => undefined };
    await answerFromLog(judge, session, { message: question, from: session.sender });
    return { answers: sent, record: (await log.read(txid)).record };
  }
  it.each(['query', 'resolve'] as const)(
    'tells nothing to a participant that the log shows as retired, though the node has not heard of it (%s)',
    async (type) => {
      const store = new MemoryLogStore();
      const log = openMemoryLog({ store, node: 'n2', url: 'ws://n2', clock });
      await log.retire({ participant: hello.name, instance: hello.instance });
      session.message(hello);
      const refused: Session[] = [];
      const judge = {
        ...judging,
        given: { log, clock, logger: silentLogger },
        refuseRetired: (which: Session) => refused.push(which),
      };
      const txid = txidAt(makeEpoch({ generation: 0, revision: 0n }), 1);
      const sentBefore = sent.length;
      await answerFromLog(judge, session, {
        message: { type, id: 7, txid, inDoubt: true } as never,
        from: session.sender,
      });
      expect(refused).toEqual([session]);
      expect(sent.slice(sentBefore)).toEqual([]);
    },
  );

  const later = (log: Witness, by: number): Witness => ({
    ...log,
    revision: String(BigInt(log.revision) + BigInt(by)),
  });

  it.each(['query', 'resolve'] as const)(
    'judges for a peer that was shown no more than the log shows (%s)',
    async (type) => {
      const { answers } = await asked(type, (log) => log);
      expect(answers).toMatchObject([{ type: 'decision', id: 7, decision: 'abort' }]);
    },
  );

  it.each(['query', 'resolve'] as const)(
    'judges nothing for a peer that was shown a later log (%s)',
    async (type) => {
      const { answers } = await asked(type, (log) => later(log, 1));
      expect(answers).toMatchObject([{ type: 'error', id: 7, code: 'INTERNAL' }]);
    },
  );

  it('forces nothing for a peer that was shown a later log, though the leader is there to be forced', async () => {
    const store = new MemoryLogStore();
    const log = openMemoryLog({ store, node: 'n2', url: 'ws://n2', clock });
    const leader = openMemoryLog({ store, node: 'n1', url: 'ws://n1', clock });
    const { epoch } = await leader.campaign(0, { signal: never });
    const txid = txidAt(epoch, 1);
    session.message(hello);
    const given = { log, clock, logger: silentLogger };
    const judge = { ...judging, given, refuseRetired: () => undefined };
    const witness = later((await log.read(txid)).witness, 1);
    const message = { type: 'resolve', id: 7, txid, witness } as const;
    await answerFromLog(judge, session, { message, from: session.sender });
    expect(sent).toMatchObject([{ type: 'error', id: 7, code: 'INTERNAL' }]);
    expect((await log.read(txid)).record).toBeNull();
  });

  it('judges nothing for a peer that was shown a later generation', async () => {
    const { answers } = await asked('query', (log) => ({
      generation: log.generation + 1,
      revision: '1',
    }));
    expect(answers).toMatchObject([{ type: 'error', id: 7, code: 'INTERNAL' }]);
  });
});
