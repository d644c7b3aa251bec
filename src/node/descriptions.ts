/**
 * What connected participants say of a transaction, for an explanation. Each has a short time to
 * answer: one that hangs is said to hang, and holds nothing up.
 */
import { cannotSay, noAnswer } from '../core/explain/advice.ts';
import type { ParticipantFacts } from '../core/explain/facts.ts';
import type { Described } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import type { Session } from './session.ts';

/** An answer takes a look into a journal: milliseconds, unless the process stands still. */
const answerMs = 500;
/** Of all explanations together. Beyond that participants are not asked. */
const maxWaiting = 1_000;

type Answer = (described: Described | null) => void;

export class Descriptions {
  readonly #clock: Clock;
  /** By session and txid: those who wait for the same. */
  readonly #waiting = new Map<string, Answer[]>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `branches`: those that the participant may have, beside what it has in memory. */
  async ask(session: Session, txid: Txid, branches: readonly string[]): Promise<ParticipantFacts> {
    const { name: participant = '', instance = '' } = session.hello ?? {};
    const of = { participant, instance };
    if (session.hello?.understands?.includes('describe') !== true) {
      return { ...of, branches: null, why: cannotSay };
    }
    const described = await this.#answerOf(session, txid, branches);
    return described === null
      ? { ...of, branches: null, why: noAnswer }
      : { ...of, branches: described.branches };
  }

  answered(session: Session, message: Described): void {
    for (const answer of this.#take(keyOf(session, message.txid))) answer(message);
  }

  /** The connection is gone. */
  leave(session: Session): void {
    for (const key of [...this.#waiting.keys()]) {
      if (!key.startsWith(`${session.id} `)) continue;
      for (const answer of this.#take(key)) answer(null);
    }
  }

  #answerOf(session: Session, txid: Txid, branches: readonly string[]): Promise<Described | null> {
    if (this.#count >= maxWaiting) return Promise.resolve(null);
    const key = keyOf(session, txid);
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(answerMs, () => {
        const rest = (this.#waiting.get(key) ?? []).filter((each) => each !== answer);
        this.#count -= 1;
        if (rest.length === 0) this.#waiting.delete(key);
        else this.#waiting.set(key, rest);
        resolve(null);
      });
      const answer: Answer = (described) => {
        timer.cancel();
        resolve(described);
      };
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), answer]);
      this.#count += 1;
      session.send({ type: 'describe', txid, branches });
    });
  }

  #take(key: string): readonly Answer[] {
    const answers = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    this.#count -= answers.length;
    return answers;
  }
}

function keyOf(session: Session, txid: Txid): string {
  return `${session.id} ${txid}`;
}
