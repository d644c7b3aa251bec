/** What a node makes of one connection: how old it is, and what its peer was shown. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LogReads } from '../../../src/coordinator/log-reads.ts';
import { Figures } from '../../../src/core/figures.ts';
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
  figures: new Figures(),
  statusAtLeader: async () => null,
  logReads: new LogReads(new ManualClock()),
  lines: { write: () => undefined },
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
let audited: AuditEvent[];

beforeEach(() => {
  clock = new ManualClock();
  received = [];
  sent = [];
  pingSentAtMs = clock.monotonicMs();
  isOpen = true;
  admittance = admitted;
  audited = [];
  const audit = new NodeAudit({ ...noAudit, write: (event) => audited.push(event) }, clock);
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
      admission: {
        admit: () => admittance,
        renews: () => ({ status: 'wrong', why: 'none' }),
        rightsOf: () => null,
        connect: () => null,
      },
      uses: { requestIdProblem: () => null, came: () => 0 },
      lines: { unsendable: () => undefined, invalid: () => undefined },
      figures: new Figures(),
      opened: (which) => audit.accepted(which),
      renewed: () => undefined,
      received: (_session, message) => received.push(message.type),
      ended: (which, info) => audit.ended(which, info),
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

it('lets in who said hello while the process stood still: its timers come first', async () => {
  await clock.advance(60_000);
  pingSentAtMs = clock.monotonicMs();
  expect(isOpen).toBe(true);
  session.message(hello);
  expect(session.hello).toBe(hello);
  await clock.advance(1_000);
  expect(isOpen).toBe(true);
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

  it.each<[string, () => unknown, string]>([
    [
      'for what it sent meanwhile',
      () => {
        for (let at = 0; at < 65; at += 1) session.message(begin);
      },
      'INVALID_MESSAGE',
    ],
    [
      'for what is no message',
      () => session.invalid({ code: 'INVALID_MESSAGE', message: 'no' }),
      'INVALID_MESSAGE',
    ],
    ['as it took too long', () => clock.advance(60_050), 'UNAUTHENTICATED'],
  ])(
    'and was refused %s is not let in by an answer that comes later',
    async (_why, breakRule, code) => {
      await breakRule();
      expect(sent).toMatchObject([{ type: 'error', code }]);
      answer.resolve(admitted);
      await answer.promise;
      expect(session.hello).toBeNull();
      expect(received).toEqual([]);
      session.closed({ code: 1008, reason: code, kind: 'closed' });
      expect(audited).toMatchObject([{ event: 'connection-refused', stage: 'hello', code }]);
    },
  );

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
    const judge = { ...judging, given };
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
      const judge = {
        ...judging,
        given: { access: everyone, log, clock, logger: silentLogger },
      };
      const txid = txidAt(makeEpoch({ generation: 0, revision: 0n }), 1);
      const sentBefore = sent.length;
      await answerFromLog(judge, session, {
        message: { type, id: 7, txid, inDoubt: true } as never,
        from: session.sender,
      });
      expect(sent.slice(sentBefore)).toMatchObject([{ type: 'error', code: 'FORBIDDEN' }]);
      expect(sent.at(-1)).not.toHaveProperty('id');
      expect(isOpen).toBe(false);
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
    const judge = { ...judging, given };
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
    const judge = { ...judging, audit, given };
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
