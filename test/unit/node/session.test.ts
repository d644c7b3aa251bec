/** What a node makes of one connection: how old it is, and what its peer was shown. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LogReads } from '../../../src/coordinator/log-reads.ts';
import type { FromNode, Hello, ToNode, Witness } from '../../../src/core/messages.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import type { Admittance } from '../../../src/node/admission.ts';
import { answerFromLog } from '../../../src/node/judge-from-log.ts';
import { NodeAudit } from '../../../src/node/node-audit.ts';
import { Session } from '../../../src/node/session.ts';
import { everyone } from '../../../src/ports/access.ts';
import { type AuditEvent, noAudit } from '../../../src/ports/audit.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { Connection } from '../../../src/ports/transport.ts';
import { never, txidAt } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const judging = {
  statusAtLeader: async () => null,
  logReads: new LogReads(new ManualClock()),
  write: () => undefined,
  audit: new NodeAudit(noAudit, new ManualClock()),
};

const maxPingAgeMs = 30_000;
const hello: Hello = {
  type: 'hello',
  protocol: 1,
  name: 'p',
  instance: 'i',
  roles: ['participant', 'client'],
};

const admitted: Admittance = { who: { identity: null, expiresAtMs: null }, rights: null };
let clock: ManualClock;
let received: ToNode['type'][];
let sent: FromNode[];
let pingSentAtMs: number;
let isOpen: boolean;
let session: Session;
let admittance: Admittance | Promise<Admittance>;

beforeEach(() => {
  clock = new ManualClock();
  received = [];
  sent = [];
  pingSentAtMs = clock.monotonicMs();
  isOpen = true;
  admittance = admitted;
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
      admit: () => admittance,
      credit: () => ({ status: 'wrong', why: 'none' }),
      rightsOf: () => null,
      occupy: () => null,
      requestIdProblem: () => null,
      inputWaitMs: () => 0,
      opened: () => undefined,
      renewed: () => undefined,
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

describe('a hello that is still looked at', () => {
  const begin: ToNode = { type: 'begin', id: 1 };
  let answer: PromiseWithResolvers<Admittance>;
  beforeEach(() => {
    answer = Promise.withResolvers();
    admittance = answer.promise;
    session.message(hello);
  });

  it('holds up what comes behind it, in order', async () => {
    session.message(begin);
    session.message({ type: 'goaway', reason: 'bye' });
    expect(received).toEqual([]);
    answer.resolve(admitted);
    await answer.promise;
    expect(received).toEqual(['begin', 'goaway']);
  });

  it('is refused with all that came behind it', async () => {
    session.message(begin);
    answer.resolve({ code: 'FORBIDDEN', message: 'no' });
    await answer.promise;
    expect(received).toEqual([]);
    expect(sent).toMatchObject([{ type: 'error', code: 'FORBIDDEN' }]);
    expect(isOpen).toBe(false);
  });

  it('is nothing any more where the connection ended meanwhile', async () => {
    session.message(begin);
    session.closed({ code: 1006, reason: '', kind: 'reset' });
    answer.resolve(admitted);
    await answer.promise;
    expect(received).toEqual([]);
    expect(session.hello).toBeNull();
  });

  it('holds up no more than so much', () => {
    for (let at = 0; at < 64; at += 1) session.message(begin);
    expect(isOpen).toBe(true);
    session.message(begin);
    expect(isOpen).toBe(false);
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
    const given = { access: everyone, log, clock, logger: silentLogger };
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
        given: { access: everyone, log, clock, logger: silentLogger },
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
    const given = { access: everyone, log, clock, logger: silentLogger };
    const judge = { ...judging, given, refuseRetired: () => undefined };
    const witness = later((await log.read(txid)).witness, 1);
    const message = { type: 'resolve', id: 7, txid, witness } as const;
    await answerFromLog(judge, session, { message, from: session.sender });
    expect(sent).toMatchObject([{ type: 'error', id: 7, code: 'INTERNAL' }]);
    expect((await log.read(txid)).record).toBeNull();
  });

  it('writes to the audit log who forced an abort, and no one who found it', async () => {
    const store = new MemoryLogStore();
    const log = openMemoryLog({ store, node: 'n2', url: 'ws://n2', clock });
    const leader = openMemoryLog({ store, node: 'n1', url: 'ws://n1', clock });
    const { epoch } = await leader.campaign(0, { signal: never });
    const txid = txidAt(epoch, 1);
    session.message(hello);
    const events: AuditEvent[] = [];
    const audit = new NodeAudit({ ...noAudit, write: (event) => events.push(event) }, clock);
    const given = { access: everyone, log, clock, logger: silentLogger };
    const judge = { ...judging, audit, given, refuseRetired: () => undefined };
    for (const id of [7, 8]) {
      const message = { type: 'resolve', id, txid } as const;
      await answerFromLog(judge, session, { message, from: session.sender });
    }
    expect(sent.slice(-2)).toMatchObject([{ decision: 'abort' }, { decision: 'abort' }]);
    const { name, instance, roles } = hello;
    const peer = { connection: 1, identity: null, address: 'memory', name, instance, roles };
    const forced = { event: 'forced-abort', ...peer, txid, by: 'resolve', recorded: true };
    expect(events).toEqual([forced]);
  });

  it('judges nothing for a peer that was shown a later generation', async () => {
    const { answers } = await asked('query', (log) => ({
      generation: log.generation + 1,
      revision: '1',
    }));
    expect(answers).toMatchObject([{ type: 'error', id: 7, code: 'INTERNAL' }]);
  });
});
