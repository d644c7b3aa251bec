/**
 * What participants hold prepared and no term of this process answers for: left by an earlier
 * process, or by a leadership that is over. Each is judged, and told what was decided.
 *
 * The interleavings that matter:
 * - A participant lists a transaction that this process is just running: it has a branch of its own
 *   here, and its term will tell it.
 * - It lists one that ends, and leaves this process's memory, before the list is looked at: judged
 *   anew it gets the same outcome a second time, and commit and rollback may come twice.
 * - It lists one that another process's living leader is running on the same resource: the log says
 *   `undecided`, and it is left alone. When that leader is gone a leadership begins here, and the
 *   list is asked for again.
 */
import { isIterable, shown } from '../core/fields.ts';
import { judge } from '../core/judge.ts';
import type { Decision } from '../core/messages.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { Timer } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { BranchCalls } from './branch-calls.ts';
import type { Engine } from './engine.ts';
import { textOf } from './errors.ts';
import type { NamedParticipant } from './participants.ts';

/** What participants said that they hold, and what became of it. */
export interface InDoubtAnswers {
  /** Told their outcome; the calls may still be under way. */
  readonly told: {
    readonly txid: Txid;
    readonly participant: string;
    readonly decision: Decision;
  }[];
  /** Not an id of this log, or the log is in memory and knows nothing of an earlier process. */
  readonly unjudged: { readonly txid: string; readonly participant: string }[];
  /** `inDoubt` threw, or the log could not be read. Asked again later. */
  readonly failed: { readonly participant: string; readonly error: string }[];
}

export interface DoubtsOptions {
  readonly engine: Engine;
  readonly logger: Logger;
  /** Whether the log knows what an earlier process decided. */
  readonly durable: boolean;
}

const againMs = 1_000;
/** INTERNAL: of an epoch that this log has never had; the core has raised the alarm. */
const neverBegun: readonly string[] = ['UNKNOWN_TRANSACTION', 'INTERNAL'];

export class Doubts {
  readonly #given: DoubtsOptions;
  #timer: Timer | null = null;
  #round: Promise<void> = Promise.resolve();
  #closed = false;
  #recovered = false;
  #askDue = false;

  constructor(given: DoubtsOptions) {
    this.#given = given;
  }

  /** A leadership began or ended: whoever waits for a word of the old one gets it otherwise. */
  leadershipChanged(): void {
    // Of the first leadership `recover` itself asks.
    this.#askDue ||= this.#recovered;
    this.#soon(0);
  }

  /** Asks the participants given to `recover`, and from now on with every leadership anew. */
  recover(participants: Iterable<NamedParticipant>): Promise<InDoubtAnswers> {
    this.#recovered = true;
    return this.#ask(participants);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Asks participants for what they hold in doubt, and tells them what became of it. */
  async #ask(participants: Iterable<NamedParticipant>): Promise<InDoubtAnswers> {
    const answers: InDoubtAnswers = { told: [], unjudged: [], failed: [] };
    for (const named of participants) {
      try {
        const { latest } = named;
        const list = latest.inDoubt ? await latest.inDoubt() : [];
        if (!isIterable(list)) {
          throw new TypeError(`inDoubt must return a list of txids, not ${shown(list)}.`);
        }
        for (const txid of list) await this.#tell(named, txid, answers);
      } catch (error) {
        const failed = { participant: named.name, error: textOf(error) };
        answers.failed.push(failed);
        this.#given.logger.warn(failed, 'What a participant holds in doubt could not be settled.');
        this.#askDue = true;
        this.#soon(againMs);
      }
    }
    return answers;
  }

  async #tell(named: NamedParticipant, txid: unknown, answers: InDoubtAnswers): Promise<void> {
    const participant = named.name;
    if (typeof txid !== 'string' || !isTxid(txid)) {
      answers.unjudged.push({ txid: String(txid), participant });
      return;
    }
    const running = named.branches.get(txid);
    if (running !== undefined) {
      const { alone } = running;
      if (alone !== null) answers.told.push({ txid, participant, decision: alone.decision });
      return;
    }
    const decision = this.#given.durable ? await this.#judge(named, txid) : null;
    if (decision === 'undecided') return;
    if (decision === null) {
      answers.unjudged.push({ txid, participant });
      this.#given.logger.error(
        { txid, participant },
        'A participant holds a transaction in doubt of which this log knows nothing; nothing was done about it. The log was deleted or made anew, or it is the wrong one: bring the right one back, or end it by hand (docs/EMBEDDED.md, "Durability").',
      );
      return;
    }
    answers.told.push({ txid, participant, decision });
    // Its term may have taken it up while the log was read.
    const branch =
      named.branches.get(txid) ??
      this.#given.engine.participants.bind(named, {
        txid,
        participant: named.latest,
        state: 'prepared',
      });
    this.#decide(branch, decision);
  }

  #decide(branch: BranchCalls, decision: Decision): void {
    try {
      branch.decide(decision, { alone: true });
    } catch (error) {
      // Two outcomes for one transaction: nothing may go on here.
      this.#given.engine.break(error);
    }
  }

  /** null: this log never gave it out, or never had its epoch. */
  async #judge(named: NamedParticipant, txid: Txid): Promise<Decision | 'undecided' | null> {
    const { engine } = this.#given;
    if (!engine.seal.isIssued(txid)) return null;
    const driver = engine.driver(txid);
    // A leader looks at its memory first: a decision may be on its way to the log.
    if (driver !== undefined) {
      try {
        const query = { type: 'query', txid, inDoubt: true } as const;
        return known((await engine.request(driver, query, named)).decision);
      } catch (error) {
        if (isVerdictError(error) && neverBegun.includes(error.code)) return null;
        throw error;
      }
    }
    const reading = await engine.log.read(txid);
    return known(judge(txid, reading, { inDoubt: true }).decision);
  }

  #soon(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    const { engine, logger } = this.#given;
    this.#timer = engine.clock.setTimer(delayMs, () => {
      this.#round = this.#round
        .then(() => this.#goRound())
        .catch((error: unknown) => {
          if (this.#closed) return;
          logger.warn({ error: textOf(error) }, 'A doubt could not be ended; again soon.');
          this.#soon(againMs);
        });
    });
  }

  /** Branches of leaderships that are over, then what the participants list. */
  async #goRound(): Promise<void> {
    const { engine } = this.#given;
    let open = 0;
    for (const named of [...engine.participants.all()]) {
      for (const [txid, branch] of [...named.branches]) {
        if (this.#closed) return;
        if (engine.holds(txid)) continue;
        branch.goOnAlone();
        if (!branch.inDoubt && branch.state !== 'registered') {
          // One whose prepare still runs comes to its doubt later.
          if (branch.state === 'preparing') open += 1;
          continue;
        }
        const decision = await this.#judge(named, txid);
        if (decision === 'undecided' || decision === null) open += 1;
        else if (named.branches.get(txid) === branch) this.#decide(branch, decision);
      }
    }
    if (this.#askDue && engine.drivers().length > 0) {
      this.#askDue = false;
      await this.#ask([...engine.participants.all()]);
    }
    if (open > 0) this.#soon(againMs);
  }
}

function known(
  decision: Decision | 'undecided' | 'expired' | 'ahead',
): Decision | 'undecided' | null {
  return decision === 'expired' || decision === 'ahead' ? null : decision;
}
