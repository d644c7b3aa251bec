/** Who is let in, and what is asked in which order: each refusal alone keeps a peer out. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Rights } from '../../../src/core/access/rights.ts';
import type { FromNode, Hello } from '../../../src/core/messages.ts';
import type { Refusal } from '../../../src/core/term/events.ts';
import { Admission, type Admittance } from '../../../src/node/admission.ts';
import { ParticipantSessions } from '../../../src/node/participants.ts';
import type { Session } from '../../../src/node/session.ts';
import { Uses } from '../../../src/node/uses.ts';
import { type Access, everyone, type Who } from '../../../src/ports/access.ts';
import type { Connection } from '../../../src/ports/transport.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const payment: Who = { identity: 'payment', expiresAtMs: null };
const hello: Hello = {
  type: 'hello',
  protocol: 1,
  name: 'payment',
  instance: 'p-1',
  roles: ['participant'],
};
const all = new Patterns(['*']);
const rights: Rights = {
  name: 'payment',
  roles: new Set(['participant', 'operator', 'viewer', 'client']),
  participants: all,
  clients: all,
  calls: all,
  labels: all,
  lockGroups: all,
  sees: 'own',
  quotas: {},
};

let admits: () => Promise<Refusal | null>;
let refusal: Refusal | null;
let known: Rights | null;
let hasOperatorDoor: boolean;
let uses: Uses;
beforeEach(() => {
  admits = async () => null;
  refusal = null;
  known = rights;
  uses = new Uses(new ManualClock());
  hasOperatorDoor = false;
});

const withFile: Access = {
  ...everyone,
  hasRights: true,
  isOpen: false,
  whoHas: (token) =>
    token === 'right' ? { status: 'right', who: payment } : { status: 'wrong', why: 'wrong' },
  rightsOf: () => known,
};
const withToken: Access = { ...withFile, hasRights: false, rightsOf: () => null };

function admissionOf(access: Access = withFile): Admission {
  return new Admission({
    access,
    hasOperatorDoor,
    bindings: { admits: () => admits(), refusal: () => refusal },
    uses,
    participants: { replacedBy: () => [] },
    tellCopied: () => undefined,
  });
}

const connection = (more: object = { authenticated: payment }): Connection<FromNode> => ({
  remoteAddress: '::1',
  send: () => undefined,
  close: () => undefined,
  terminate: () => undefined,
  answeredPingAgeMs: () => 0,
  bufferedBytes: () => 0,
  ...more,
});

async function codeOf(admittance: Admittance | Promise<Admittance>): Promise<string> {
  const answer = await admittance;
  return 'code' in answer ? answer.code : 'let in';
}

describe('a participant with an identity', () => {
  it('is let in', async () => {
    expect(await codeOf(admissionOf().admit(hello, connection()))).toBe('let in');
  });

  it('is not where the log could not say whose the instance is', async () => {
    admits = async () => ({ code: 'LOG_UNAVAILABLE', message: 'none' });
    expect(await codeOf(admissionOf().admit(hello, connection()))).toBe('LOG_UNAVAILABLE');
  });

  it('is not where it became another one’s while that was read', async () => {
    admits = async () => {
      refusal = { code: 'FORBIDDEN', message: 'bound' };
      return null;
    };
    expect(await codeOf(admissionOf().admit(hello, connection()))).toBe('FORBIDDEN');
  });

  it('is not where it was retired, before and while that was read', async () => {
    const admission = admissionOf();
    const retired = { participant: 'payment', instance: 'p-1' };
    let asked = 0;
    admits = async () => {
      asked += 1;
      admission.retired.add(retired);
      return null;
    };
    expect(await codeOf(admission.admit(hello, connection()))).toBe('FORBIDDEN');
    expect(await codeOf(admission.admit(hello, connection()))).toBe('FORBIDDEN');
    expect(asked).toBe(1);
  });

  it('is not where its quota of connections is used, and binds nothing then', async () => {
    known = { ...rights, quotas: { connections: 2 } };
    const admission = admissionOf();
    let bound = 0;
    const open = Promise.withResolvers<Refusal | null>();
    admits = () => {
      bound += 1;
      return open.promise;
    };
    // None of them is let in yet: what is looked up counts, too.
    const answers = Array.from({ length: 50 }, () => codeOf(admission.admit(hello, connection())));
    expect(bound).toBe(2);
    open.resolve(null);
    const codes = await Promise.all(answers);
    expect(codes.filter((code) => code === 'let in')).toHaveLength(2);
    expect(codes.filter((code) => code === 'BUSY')).toHaveLength(48);
    // It is counted from then on where it is let in: here nothing is left of it.
    for (let time = 0; time < 2; time += 1) expect(uses.connect(known)).toBeNull();
    expect(uses.connect(known)).toMatchObject({ code: 'BUSY' });
    expect(await codeOf(admission.admit(hello, connection()))).toBe('BUSY');
    uses.ended(rights.name);
    admits = async () => ({ code: 'LOG_UNAVAILABLE', message: 'none' });
    expect(await codeOf(admission.admit(hello, connection()))).toBe('LOG_UNAVAILABLE');
    expect(uses.connect(known)).toBeNull();
  });

  it('is not where it lost its rights while that was read', async () => {
    admits = async () => {
      known = null;
      return null;
    };
    expect(await codeOf(admissionOf().admit(hello, connection()))).toBe('UNAUTHENTICATED');
  });
});

describe('a peer that showed nothing as it came', () => {
  const bare = (more: object = {}) => connection({ authenticated: null, ...more });

  it.each([
    ['a token', withToken],
    ['an access file', withFile],
  ])('is not let in at a node with %s', async (_what, access) => {
    expect(await codeOf(admissionOf(access).admit(hello, bare()))).toBe('UNAUTHENTICATED');
    const wrong = { ...hello, token: 'other' };
    expect(await codeOf(admissionOf(access).admit(wrong, bare()))).toBe('UNAUTHENTICATED');
    const unproved = { ...hello, proof: 'other' };
    const check = (proof: string): Who | null => (proof === 'right' ? payment : null);
    expect(await codeOf(admissionOf(access).admit(unproved, bare({ check })))).toBe(
      'UNAUTHENTICATED',
    );
    const proved = { ...hello, proof: 'right' };
    expect(await codeOf(admissionOf(access).admit(proved, bare({ check })))).toBe('let in');
    const right = { ...hello, token: 'right' };
    expect(await codeOf(admissionOf(access).admit(right, bare()))).toBe('let in');
  });
});

describe('where operators have a listener of their own', () => {
  beforeEach(() => {
    hasOperatorDoor = true;
  });

  it.each<[string, Hello['roles'], 'all' | 'operators', string]>([
    ['an operator', ['operator'], 'all', 'FORBIDDEN'],
    ['an operator', ['operator'], 'operators', 'let in'],
    ['a client', ['client'], 'all', 'let in'],
    ['a viewer', ['viewer'], 'all', 'FORBIDDEN'],
    ['a viewer', ['viewer'], 'operators', 'let in'],
    ['both', ['viewer', 'operator'], 'operators', 'let in'],
    ['a client', ['client'], 'operators', 'FORBIDDEN'],
    ['a viewer that is a client, too', ['viewer', 'client'], 'operators', 'FORBIDDEN'],
    ['an operator that is a client, too', ['operator', 'client'], 'operators', 'FORBIDDEN'],
    ['an operator that is a client, too', ['operator', 'client'], 'all', 'FORBIDDEN'],
  ])('%s (%j) by the door of %s: %s', async (_who, roles, door, expected) => {
    for (const access of [withFile, everyone]) {
      const came = connection({ authenticated: payment, door });
      expect(await codeOf(admissionOf(access).admit({ ...hello, roles }, came))).toBe(expected);
    }
  });
});

it('of two connections of one instance the later one counts, whichever was let in first', () => {
  const sessions = new ParticipantSessions();
  const session = (id: number, process?: string) =>
    ({ id, hello: { ...hello, ...(process === undefined ? {} : { process }) } }) as Session;
  sessions.add(session(2));
  expect(sessions.isPast(session(1))).toBe(true);
  expect(sessions.isPast(session(3))).toBe(false);
  expect(sessions.isPast(session(1, 'another process'))).toBe(false);
});
