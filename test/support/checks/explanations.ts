/** That an explanation can be made of whatever a term knows, can be sent, and is not wrong. */
import { explain } from '../../../src/core/explain/explain.ts';
import type { Facts, ParticipantFacts } from '../../../src/core/explain/facts.ts';
import { logFacts } from '../../../src/core/explain/reading.ts';
import { type Explanation, heldStates } from '../../../src/core/messages.ts';
import { escapeUnseen } from '../../../src/core/names.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { decodeFrame, encodeMessage } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import type { TermWorld } from '../core/term-world.ts';

/** As the leader's node would collect them; `more`: what is to be otherwise. */
export function factsIn(world: TermWorld, txid: Txid, more: Partial<Facts> = {}): Facts {
  const facts = world.term.facts(txid);
  const { leader, ...reading } = world.log.read(txid);
  const leads = leader === null ? null : { ...leader, node: 'n1' };
  return {
    txid,
    node: 'n1',
    issued: true,
    leader:
      facts.type === 'knows' ? { ...facts, node: 'n1' } : { ...facts, node: 'n1', started: true },
    log: logFacts({ ...reading, leader: leads }, world.nowMs),
    participants: [],
    ...more,
  };
}

export function explainedIn(world: TermWorld, txid: Txid, more: Partial<Facts> = {}): Explanation {
  return explain(factsIn(world, txid, more));
}

/** Throws what is wrong. `odd`: chance as data. */
export function checkExplanation(world: TermWorld, txid: Txid, odd: number): void {
  const participants = [...'abcd'].map((name, index): ParticipantFacts => {
    const state = heldStates[(odd + index) % heldStates.length] ?? 'unknown';
    const branches = [{ branch: name, state, attempts: odd, error: '\u001b[2J'.repeat(odd) }];
    return { participant: name, instance: `${name}1`, branches: odd % 3 === 0 ? null : branches };
  });
  const silent = { type: 'silent', node: 'n1', why: 'It does not answer.' } as const;
  const unread = { ok: false, why: 'no quorum' } as const;
  const answers = [
    explainedIn(world, txid),
    explainedIn(world, txid, { participants }),
    explainedIn(world, txid, { participants, log: unread }),
    explainedIn(world, txid, { participants, leader: silent }),
    explainedIn(world, txid, { leader: silent, log: unread }),
  ];
  const recorded = world.log.outcome(txid);
  for (const explanation of answers) {
    const text = JSON.stringify(explanation);
    assertSendable(explanation);
    for (const said of textsIn(explanation)) {
      if (said !== escapeUnseen(said)) throw new Error(`A control character is in ${text}`);
    }
    if (explanation.decided === 'abort' && recorded === 'commit') {
      throw new Error(`It is committed, and said to be aborted: ${text}`);
    }
    // One that only read is told committed at once, and an abort may still be forced behind it.
    const onlyRead = explanation.branches.every(({ state }) => state === 'readonly');
    if (explanation.decided === 'commit' && recorded === 'abort' && !onlyRead) {
      throw new Error(`It is aborted, and said to be committed: ${text}`);
    }
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

export function assertSendable(explanation: Explanation): void {
  const message = { type: 'explained', id: 1, ...explanation } as const;
  const [decoded] = decodeFrame(encodeMessage(message, 'binary'), {
    readers: readers['from-node'],
    limits: widestLimits,
  });
  if (decoded?.ok !== true) {
    throw new Error(`It cannot be sent: ${decoded?.problem.message} ${JSON.stringify(message)}`);
  }
}
