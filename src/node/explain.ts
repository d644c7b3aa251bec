/**
 * Why a transaction is where it is: the leader's memory, the log and what connected participants
 * say, joined. A node that does not lead asks the leader; where that is silent it says so, and
 * explains from the rest.
 *
 * Memory is looked at first, then the log (see judgement.ts): what is in neither can no longer be
 * committed. Nothing here waits for long: a log without a quorum and a participant that hangs are
 * what is to be explained.
 */
import { explain as explainFacts } from '../core/explain/explain.ts';
import type {
  Facts,
  LeaderFacts,
  LogFacts,
  ParticipantFacts,
  TransactionFacts,
} from '../core/explain/facts.ts';
import { joinReading } from '../core/explain/join.ts';
import { logFacts } from '../core/explain/reading.ts';
import type { Explain, Explanation } from '../core/messages.ts';
import { Shares } from '../core/shares.ts';
import { thrownLine } from '../core/thrown.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import type { CoordinatorNode } from './node.ts';
import type { Session } from './session.ts';

const logWaitMs = 1_000;
/** Processes of participants that are asked for one explanation. */
const maxAsked = 64;
/** Explanations under way at once, of all askers: none may have all places. */
const maxUnderWay = 32;

export class Explanations {
  readonly #node: CoordinatorNode;
  readonly #places = new Shares(maxUnderWay);

  constructor(node: CoordinatorNode) {
    this.#node = node;
  }

  answer(session: Session, { id, txid }: Explain): void {
    const { origin } = session;
    if (!this.#places.admits(origin, 1)) {
      session.fail(id, 'BUSY', tooMany, { retryAfterMs: 250 });
      return;
    }
    this.#places.take(origin, 1);
    void this.of(txid, session)
      .then(
        (explanation) => session.send({ type: 'explained', id, ...explanation }),
        (error: unknown) => session.fail(id, 'INTERNAL', thrownLine(error)),
      )
      .finally(() => {
        this.#places.take(origin, -1);
      });
  }

  /** For `asker`, whose share of the readings of the log it takes. */
  async of(txid: Txid, asker: Session): Promise<Explanation> {
    const node = this.#node;
    const { log } = node.given;
    const self = node.given.node;
    const isIssued = shardOf(txid) < log.meta.shards && node.isIssued(txid);
    if (!isIssued) return explainFacts(unissued(self, txid));
    const driver = node.drivers.get(shardOf(txid));
    if (driver === undefined && !asker.is('node')) {
      const [leader, reading] = await Promise.all([
        node.explanationAtLeader(txid),
        this.#read(txid, asker),
      ]);
      if ('explanation' in leader) return joinReading(leader.explanation, reading, self);
      return this.#join(txid, this.#silent(txid, leader), reading);
    }
    if (driver === undefined) {
      // Another node asks, which took this one for the leader: it is not sent on.
      const why = `${self} does not lead its shard any more.`;
      const silent = this.#silent(txid, { node: self, why });
      return this.#join(txid, silent, await this.#read(txid, asker));
    }
    // A term that nothing happens in does not know how late it is.
    driver.step({ type: 'wake' });
    const { started } = driver;
    const facts = driver.term.facts(txid);
    const reading = await this.#read(txid, asker);
    const leader: LeaderFacts =
      facts.type === 'knows' ? { ...facts, node: self } : { ...facts, node: self, started };
    return this.#join(txid, leader, reading);
  }

  #silent(txid: Txid, told: { readonly node: string | null; readonly why: string }): LeaderFacts {
    const was = this.#node.leftBehind.find(txid);
    return { type: 'silent', ...told, ...(was === null ? {} : { was }) };
  }

  async #join(txid: Txid, leader: LeaderFacts, log: LogFacts): Promise<Explanation> {
    const participants = await this.#ask(txid, leader, log);
    return explainFacts({
      txid,
      node: this.#node.given.node,
      issued: true,
      leader,
      log,
      participants,
    });
  }

  /** Those whose branches are not over; all who are here, where it is not known whose they are. */
  #ask(txid: Txid, leader: LeaderFacts, log: LogFacts): Promise<ParticipantFacts[]> {
    const known = awaited(leader, log);
    if (known?.length === 0) return Promise.resolve([]);
    const asked: Promise<ParticipantFacts>[] = [];
    for (const session of this.#node.participants.all()) {
      if (asked.length >= maxAsked) break;
      const own = known?.filter(({ participant }) => participant === session.hello?.name);
      if (own?.length === 0) continue;
      const names = own?.map(({ branch }) => branch) ?? [];
      asked.push(this.#node.descriptions.ask(session, txid, names));
    }
    return Promise.all(asked);
  }

  async #read(txid: Txid, asker: Session): Promise<LogFacts> {
    const { log, clock } = this.#node.given;
    if (this.#node.logReads.isFull(asker.id)) {
      return { ok: false, why: 'As many questions of this connection as may wait for it do so.' };
    }
    const reading = this.#node.logReads
      .read(asker.id, `read to explain ${txid}`, () => log.read(txid))
      .then(
        (read) => logFacts(read, clock.wallMs()),
        (error: unknown): LogFacts => ({ ok: false, why: thrownLine(error) }),
      );
    return within(clock, reading);
  }
}

function within(clock: Clock, reading: Promise<LogFacts>): Promise<LogFacts> {
  return new Promise((resolve) => {
    const why = `no answer within ${logWaitMs} ms`;
    const timer = clock.setTimer(logWaitMs, () => resolve({ ok: false, why }));
    void reading.then((facts) => {
      timer.cancel();
      resolve(facts);
    });
  });
}

type Named = Pick<TransactionFacts['branches'][number], 'branch' | 'participant'>;

/** Null: not known. */
function awaited(leader: LeaderFacts, log: LogFacts): readonly Named[] | null {
  if (leader.type === 'knows') {
    return leader.transaction.branches.filter(({ state }) => !over.has(state));
  }
  if (!log.ok) return null;
  if (log.record !== null) return log.record.finished ? [] : log.record.branches;
  // What no one remembers has no one in doubt, unless the leader was not heard.
  return leader.type === 'forgot' ? [] : null;
}

const over: ReadonlySet<string> = new Set([
  'enlisted',
  'readonly',
  'refused',
  'committed',
  'rolled-back',
]);

function unissued(node: string, txid: Txid): Facts {
  const why = 'was not asked: the txid is not of this cluster';
  return {
    txid,
    node,
    issued: false,
    leader: { type: 'silent', node: null, why },
    log: { ok: false, why },
    participants: [],
  };
}

const tooMany =
  'This node explains as many transactions as it may, at all or for this peer. Ask again.';
