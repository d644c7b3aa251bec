/** `recover`: what the log and the participants still hold of an earlier process is finished. */
import { checkFields, type Fields, isIterable, shown } from '../core/fields.ts';
import { branchId } from '../core/names.ts';
import type { Txid } from '../core/txid.ts';
import { pause } from '../system/pause.ts';
import type { Doubts, InDoubtAnswers } from './doubts.ts';
import type { Engine } from './engine.ts';
import { checkParticipant, type EmbeddedParticipant } from './participant.ts';

/** Options of `recover`. */
export interface RecoverOptions {
  /** How long to wait for parts that are not done; retries go on after it. Default 10,000. */
  readonly waitMs?: number;
}

/** A participant's part of a decided transaction that is not done yet. It is retried forever. */
export interface Unfinished {
  /** The transaction. */
  readonly txid: Txid;
  /** The name of the participant that owes its part. */
  readonly participant: string;
  /** What it is to carry out. */
  readonly decision: 'commit' | 'abort';
  /** Nothing happens until `recover` or `registerParticipant` is given an object of that name. */
  readonly missing: boolean;
  /** How often it was called. */
  readonly attempts: number;
  /** What came instead of true. */
  readonly lastError: string | null;
}

/** What `recover` found, and what became of it. */
export interface RecoveryReport {
  /** Finished now: every participant said that it has committed. */
  readonly committed: readonly Txid[];
  /** In doubt at some participant, without a decision: rolled back there. */
  readonly rolledBack: readonly Txid[];
  /** Decided, and not done when `waitMs` was over. It is tried again. */
  readonly unfinished: readonly Unfinished[];
  /** In doubt at a participant, and not for this log to judge: docs/EMBEDDED.md, *Durability*. */
  readonly unjudged: InDoubtAnswers['unjudged'];
  /** Participants that could not be asked what they hold; they are asked again. */
  readonly failed: InDoubtAnswers['failed'];
}

const waitMsDefault = 10_000;
const pollMs = 5;
const recoverFields: Fields<RecoverOptions> = { waitMs: 'ms' };

export async function recover(
  { engine, doubts }: { readonly engine: Engine; readonly doubts: Doubts },
  participants: Iterable<EmbeddedParticipant>,
  options: RecoverOptions,
): Promise<RecoveryReport> {
  if (!isIterable(participants)) {
    throw new TypeError(
      `recover wants every participant that there is, in an array, not ${shown(participants)}.`,
    );
  }
  checkFields(options, recoverFields, "recover's options");
  const { waitMs = waitMsDefault } = options;
  const given = [...participants];
  const names = new Set<string>();
  for (const participant of given) {
    checkParticipant(participant);
    if (names.has(participant.name)) {
      throw new TypeError(
        `recover was given two participants named ${JSON.stringify(participant.name)}: a name stands for one resource.`,
      );
    }
    names.add(participant.name);
  }
  await engine.allLed();
  const before = unfinished(engine).filter(({ txid }) => !engine.holds(txid));
  const named = given.map((participant) => engine.adopt(participant));
  const { told, unjudged, failed } = await doubts.recover(named);
  const touched = new Set([...before, ...told].map(({ txid }) => txid));
  const mayEnd = (): boolean =>
    unfinished(engine).some(({ txid, missing }) => !missing && touched.has(txid));
  const { clock } = engine;
  const untilMs = clock.monotonicMs() + waitMs;
  while (mayEnd() && clock.monotonicMs() < untilMs) {
    await pause(clock, pollMs);
    engine.check();
  }
  const left = unfinished(engine).filter(({ txid }) => touched.has(txid));
  const open = new Set(left.map(({ txid }) => txid));
  const aborted = new Set(told.filter(({ decision }) => decision === 'abort').map((t) => t.txid));
  const done = [...touched].filter((txid) => !open.has(txid));
  return {
    committed: done.filter((txid) => !aborted.has(txid)),
    rolledBack: done.filter((txid) => aborted.has(txid)),
    unfinished: left,
    unjudged,
    failed,
  };
}

/** What is decided and owed: to shards that this process leads, and by what it has of others. */
export function unfinished(engine: Engine): Unfinished[] {
  const all = new Map<string, Unfinished>();
  const add = (owed: Omit<Unfinished, 'missing'>, missing: boolean): void => {
    const { txid, participant, decision, attempts, lastError } = owed;
    const one = { txid, participant, decision, missing, attempts, lastError };
    all.set(branchId({ txid, branch: participant }), one);
  };
  for (const { name, branches } of engine.participants.all()) {
    for (const [txid, { alone }] of branches) {
      if (alone !== null) add({ txid, participant: name, ...alone }, false);
    }
  }
  for (const { term } of engine.drivers()) {
    for (const owed of term.owed()) {
      add(owed, engine.participants.get(owed.participant) === undefined);
    }
  }
  return [...all.values()];
}
