/**
 * Replays a trace of the specification on the production core: every step of the one is fed to the
 * other, and after each the two are compared. What is compared, and what is not, is listed in
 * README.md.
 */
import { isAhead, judge } from '../../src/core/judge.ts';
import { statusFromLog } from '../../src/core/status-from-log.ts';
import { epochOf } from '../../src/core/txid.ts';
import {
  equal,
  isFromNode,
  keyOfReply,
  keyOfWrite,
  newMessages,
  sameSets,
  toldSince,
  within,
} from './compare.ts';
import type { Moment, SpecEvent, SpecMessage, SpecState } from './itf.ts';
import { ReplayedParticipant } from './replay-participant.ts';
import { heldAs, ReplayedTerm, type Said } from './replay-term.ts';
import { epochFor, participants, positionFor, readingOf, txidFor, witnessFor } from './spelling.ts';

const outcomes: Readonly<Record<string, string>> = { commit: 'committed', abort: 'aborted' };

export class Difference extends Error {
  override readonly name = 'Difference';
}

export class Replay {
  readonly #terms = new Map<number, ReplayedTerm>();
  readonly #participants = new Map(participants.map((p) => [p, new ReplayedParticipant(p)]));
  /** Of terms that are over: the readings so far of what the core asks for all at once. */
  readonly #fates = new Map<
    number,
    { readings: Map<number, ReturnType<typeof readingOf>>; owed: Set<number>; told: Set<string> }
  >();
  /** How often each kind of step was compared. */
  readonly compared: Map<string, number> = new Map();

  async run(moments: readonly Moment[]): Promise<void> {
    for (const [index, after] of moments.entries()) {
      const before = moments[index - 1];
      if (before === undefined) continue;
      const { event } = after;
      try {
        await this.#take(before.s, after.s, event);
        await this.#compareStates(after.s);
      } catch (error) {
        const { act, nonce, txid, p } = event;
        const where = `step ${index}, ${act} (term ${nonce}, transaction ${txid}, ${p})`;
        throw new Difference(`${where}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
      this.#count(event.act);
    }
  }

  #count(act: string): void {
    this.compared.set(act, (this.compared.get(act) ?? 0) + 1);
  }

  async #take(before: SpecState, after: SpecState, event: SpecEvent): Promise<void> {
    const { act, nonce, txid: x, p } = event;
    switch (act) {
      case 'adopted': {
        const key = after.terms.get(nonce)?.key;
        if (key === undefined) throw new Error(`the trace has no term ${nonce}`);
        this.#terms.set(nonce, new ReplayedTerm(key.generation * 100 + key.revision));
        return;
      }
      case 'crash':
        this.#terms.delete(nonce);
        return;
      case 'asksNode':
        return this.#asksNode(before, after, event);
      case 'clientAsks':
        return this.#clientAsks(before, after, x);
      case 'resolves':
        return equal(judge(txidFor(before, x), readingOf(before, x), { inDoubt: true }).decision, {
          expected: 'undecided',
          what: 'what resolve reads',
        });
      case 'readFate':
        return this.#readFate(before, after, event);
      case 'prepare':
      case 'commit':
      case 'rollback':
      case 'forget':
      case 'answer commit':
      case 'answer abort':
      case 'persists':
      case 'refuses':
      case 'adopts':
      case 'restarts':
        await this.#atParticipant(before, event);
        return this.#compareParticipant(before, after, p);
      default: {
        const term = this.#terms.get(nonce);
        if (term === undefined || before.terms.get(nonce)?.mode !== 'leading') return;
        // It was shown an earlier log than before, and halted.
        if (after.terms.get(nonce)?.mode === 'dead') {
          this.#terms.delete(nonce);
          return;
        }
        this.#atTerm(term, before, after, event);
        this.#compareTerm(term.drain(), before, after, nonce);
      }
    }
  }

  #atTerm(term: ReplayedTerm, before: SpecState, after: SpecState, event: SpecEvent): void {
    const { act, nonce, txid: x, p } = event;
    switch (act) {
      case 'begins':
        return term.begin(x, 0);
      case 'transact': {
        // The specification begins no more than its bound.
        const bounded = before.transactions.size > 2;
        if (!bounded) term.begin(before.transactions.size + 1, x);
        return;
      }
      case 'vote commit':
        return term.vote(before, p, x, 'commit');
      case 'vote abort':
        return term.vote(before, p, x, 'abort');
      case 'ack commit':
        return term.ack(before, p, x, 'commit');
      case 'ack abort':
        return term.ack(before, p, x, 'abort');
      case 'written':
      case 'aborted':
      case 'duplicate':
      case 'done':
      case 'deposed':
        return this.#learned(term, before, after, event);
      case 'readRequest':
        if (after.terms.get(nonce)?.mode === 'over') this.#lose(term, before, nonce);
        return;
      case 'heardRequest':
      case 'heardRequestUncertainly': {
        const held = before.terms.get(nonce)?.held.get(x);
        const certain = act === 'heardRequest';
        // One that waits to run asks only what the log says, and runs where it says nothing.
        const failed = !certain && held?.state === 'PENDING';
        if (certain && held?.state === 'ABORTING' && held.reading > 0 && held.reading !== x) {
          this.#count('aborted as a duplicate');
        }
        return term.heardRequest(before, x, { reading: held?.reading ?? -2, certain, failed });
      }
      case 'timesOut':
        return term.abort(before, x);
      case 'giveUp':
        return this.#lose(term, before, nonce);
      case 'scans':
        return term.takeUp(before, x);
      case 'asksLeader': {
        const witness = before.journals.get(p)?.branches.get(x)?.witness ?? 0;
        return term.query(before, p, { x, witness });
      }
      case 'reportsKept':
        return term.reportKept(before, p, x);
      case 'collects':
        return this.#collects(term, after, x);
      default:
        return;
    }
  }

  /** The reply that the step took: gone from those under way. */
  #learned(term: ReplayedTerm, before: SpecState, after: SpecState, event: SpecEvent): void {
    const { act, nonce, txid: x } = event;
    if (act === 'deposed') return this.#lose(term, before, nonce);
    if (act === 'done') return term.finished(before, x);
    if (before.terms.get(nonce)?.held.get(x)?.state !== 'READY') return;
    const left = new Set(after.net.replies.map(keyOfReply));
    const taken = before.net.replies.find((reply) => !left.has(keyOfReply(reply)));
    if (taken === undefined) throw new Error('the trace took no reply');
    term.decided(before, x, act, taken);
  }

  #lose(term: ReplayedTerm, before: SpecState, nonce: number): void {
    const owed = new Set(term.lose(before));
    this.#fates.set(nonce, { readings: new Map(), owed, told: new Set() });
  }

  /** The core asks for all fates at once, the specification for one after the other. */
  #readFate(before: SpecState, after: SpecState, { nonce, txid: x }: SpecEvent): void {
    const term = this.#terms.get(nonce);
    const fates = this.#fates.get(nonce);
    if (term === undefined || fates === undefined) throw new Error(`term ${nonce} is not over`);
    if (!fates.owed.delete(x)) throw new Error('the core does not ask for this fate');
    fates.readings.set(x, readingOf(before, x));
    for (const one of toldSince(before, after)) fates.told.add(one);
    const attempt = before.transactions.get(x)?.attempt ?? 0;
    const outcome = judge(txidFor(before, x), readingOf(before, x), { inDoubt: false }).decision;
    if (attempt === 0 && (outcome === 'commit' || outcome === 'abort')) {
      fates.told.add(`- ${x} ${outcome === 'commit' ? 'committed' : 'aborted'}`);
    }
    if (fates.owed.size > 0) return;
    term.fates(fates.readings);
    sameSets(term.drain().outcomes, fates.told, 'outcomes after the leadership');
  }

  #collects(term: ReplayedTerm, after: SpecState, x: number): void {
    const floor = after.transactions.get(x)?.position ?? 0;
    if (positionFor(floor) >= term.undecidedFrom) {
      throw new Error(`the core keeps the floor below ${term.undecidedFrom}`);
    }
    const withRequest = after.net.writes.some(
      (write) => write.kind === 'collect' && write.page.includes(after.log.request),
    );
    if (withRequest && term.keepsRequest) throw new Error('the core keeps the request key');
  }

  #asksNode(before: SpecState, after: SpecState, { p, txid: x }: SpecEvent): void {
    const witness = before.journals.get(p)?.branches.get(x)?.witness ?? 0;
    const reading = readingOf(before, x);
    const judgement = judge(txidFor(before, x), reading, { inDoubt: true }).decision;
    if (judgement === 'expired') throw new Error('one in doubt is told that it expired');
    const answered = judgement === 'commit' || judgement === 'abort';
    const silent = isAhead(witnessFor(witness), reading.witness) || !answered;
    for (const decision of ['commit', 'abort'] as const) {
      const sent = after.net.fresh.some(
        (one) =>
          one.kind === `answer ${decision}` && one.p === p && one.txid === x && one.nonce === 0,
      );
      const had = before.net.fresh.some(
        (one) =>
          one.kind === `answer ${decision}` && one.p === p && one.txid === x && one.nonce === 0,
      );
      const expected = had || (!silent && judgement === decision);
      equal(sent, { expected, what: `the answer ${decision}` });
    }
  }

  #clientAsks(before: SpecState, after: SpecState, x: number): void {
    const txid = txidFor(before, x);
    const reading = readingOf(before, x);
    const { decision } = judge(txid, reading, { inDoubt: false });
    const said = after.history.said.some((one) => one[0] === x && one[1] === decision);
    equal(said, { expected: true, what: `that ${decision} was said` });
    if (decision !== 'commit' && decision !== 'abort') throw new Error(`the core says ${decision}`);
    const { record } = reading;
    const { state } = statusFromLog(txid, { decision, record, wallMs: 0 });
    const committed = before.log.decisions.has(x) ? 'COMMITTING' : 'COMMITTED';
    const expected = decision === 'commit' ? committed : 'ABORTED';
    equal(state, { expected, what: 'the status' });
  }

  async #atParticipant(before: SpecState, event: SpecEvent): Promise<void> {
    const { act, nonce, txid: x, p } = event;
    const participant = this.#participant(p);
    if (act === 'adopts') return participant.adopt(epochFor(x));
    if (act === 'restarts') return participant.restart();
    const txid = txidFor(before, x);
    const key = before.terms.get(nonce)?.key;
    const epoch = epochFor(key === undefined ? 0 : key.generation * 100 + key.revision);
    switch (act) {
      case 'prepare': {
        const witness = witnessFor(this.#witnessOf(before, event));
        const prepare = { epoch, witness, timeoutMs: 1_000, payload: null };
        return participant.step(txid, { type: 'prepare', connection: nonce, prepare });
      }
      case 'commit':
      case 'rollback':
        return participant.step(txid, { type: act, connection: nonce, epoch });
      case 'forget':
        return participant.step(txid, { type: 'forget' });
      case 'persists':
        return participant.step(txid, {
          type: 'application-prepared',
          prepared: { vote: 'commit', result: undefined },
        });
      case 'refuses':
        return participant.step(txid, {
          type: 'application-prepared',
          prepared: { vote: 'abort', reason: { message: 'no' } },
        });
      default: {
        const decision = act === 'answer commit' ? 'commit' : 'abort';
        return participant.step(txid, { type: 'answer', decision });
      }
    }
  }

  /** A prepare's witness; the same prepare is sent once. */
  #witnessOf(before: SpecState, { p, txid, nonce }: SpecEvent): number {
    const all = [...before.net.fresh, ...before.net.stale];
    const sent = all.find(
      (one) => one.kind === 'prepare' && one.p === p && one.txid === txid && one.nonce === nonce,
    );
    if (sent === undefined) throw new Error('the trace did not send this prepare');
    return sent.witness;
  }

  #compareTerm(said: Said, before: SpecState, after: SpecState, nonce: number): void {
    const sent = newMessages(before, after)
      .filter((one) => one.nonce === nonce && isFromNode(one))
      .map((one) => `${one.kind} ${one.p} ${one.txid}`);
    const standing = new Set(
      after.net.fresh
        .filter((one) => one.nonce === nonce)
        .map((one) => `${one.kind} ${one.p} ${one.txid}`),
    );
    within(sent, said.messages, 'sent in the trace and not by the core');
    within(said.messages, standing, 'sent by the core and not in the trace');
    const had = new Set(before.net.writes.map(keyOfWrite));
    const written = after.net.writes
      .filter((one) => one.kind === 'decide' || one.kind === 'finish')
      .filter((one) => !had.has(keyOfWrite(one)) && one.key.nonce === nonce)
      .map((one) => `${one.kind} ${one.txid}`);
    const waiting = new Set(
      after.net.writes
        .filter((one) => one.key.nonce === nonce)
        .map((one) => `${one.kind} ${one.txid}`),
    );
    within(written, said.writes, 'handed to the log in the trace and not by the core');
    within(said.writes, waiting, 'handed to the log by the core and not in the trace');
    const everTold = new Set([
      ...after.history.told.map(([attempt, outcome]) => `${attempt} ${outcome}`),
      ...after.history.said.map(([x, said]) => `- ${x} ${outcomes[said] ?? said}`),
    ]);
    within(toldSince(before, after), said.outcomes, 'told in the trace and not by the core');
    within(said.outcomes, everTold, 'told by the core and not in the trace');
  }

  #compareParticipant(before: SpecState, after: SpecState, p: string): void {
    const spell = (one: SpecMessage): string => `${one.kind} ${one.p} ${one.txid} ${one.nonce}`;
    const said = this.#participant(p).drain();
    const sent = newMessages(before, after).filter((one) => one.p === p);
    within(sent.map(spell), said, 'answered in the trace and not by the core');
    within(said, new Set(after.net.fresh.map(spell)), 'answered by the core and not in the trace');
  }

  async #compareStates(s: SpecState): Promise<void> {
    for (const [nonce, term] of this.#terms) {
      const spec = s.terms.get(nonce);
      if (spec?.mode !== 'leading') continue;
      const expected: string[] = [];
      for (const [x, held] of spec.held) {
        const one = heldAs(x, held);
        if (one !== null) expected.push(one);
      }
      const holds = term
        .holds()
        .map((one) => (one.includes('ABORTING') ? one.split(' p1')[0] : one));
      equal(holds.join('; '), { expected: expected.sort().join('; '), what: `memory of ${nonce}` });
    }
    for (const [p, journal] of s.journals) {
      const participant = this.#participant(p);
      equal(participant.known, { expected: epochFor(journal.known), what: `epoch known to ${p}` });
      for (const x of s.transactions.keys()) {
        const state = journal.branches.get(x)?.state ?? 'unknown';
        const txid = txidFor(s, x);
        equal(participant.state(txid), { expected: state, what: `the branch ${x} at ${p}` });
        const entry = await participant.entry(txid);
        const kept = {
          ...{ unknown: null, preparing: null },
          ...{ gone: 'tombstone', forgotten: 'tombstone' },
        } as const;
        const expected = state === 'prepared' || state === 'committed' ? state : kept[state];
        equal(entry?.state ?? null, { expected, what: `the journal's entry ${x} of ${p}` });
        if (entry?.state === 'prepared') {
          const epoch = epochFor(journal.branches.get(x)?.epoch ?? 0);
          equal(entry.epoch, { expected: epoch, what: `the epoch in the entry ${x} of ${p}` });
          equal(epochOf(txid), { expected: epoch, what: `the epoch of ${txid}` });
        }
      }
    }
  }

  #participant(p: string): ReplayedParticipant {
    const participant = this.#participants.get(p);
    if (participant === undefined) throw new Error(`there is no participant ${p}`);
    return participant;
  }
}
