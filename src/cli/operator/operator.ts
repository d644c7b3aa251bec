/** What an operator asks of a cluster: each request goes to the node that can answer it. */
import type { Claim } from '../../core/claims.ts';
import type {
  InfoReply,
  List,
  ListReply,
  Locks,
  LocksReply,
  Owner,
  ParticipantInfo,
  Recover,
  Recovered,
  Retire,
  Retry,
  StepDown,
  SteppedDown,
} from '../../core/messages.ts';
import type { Retired } from '../../core/retired.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import type { Link } from '../../peer/link.ts';
import type { ReplyTo, RequestWithoutId } from '../../peer/requests.ts';
import { systemClock } from '../../system/clock.ts';
import type { ConnectionFlags } from '../options.ts';
import { type Asking, Conversation } from './conversation.ts';
import { cannotExplain, unled } from './operator-errors.ts';

export type ListFilter = Pick<List, 'state' | 'attention'> & { readonly limit: number };
export type LocksFilter = Pick<Locks, 'group' | 'waiting'> & { readonly limit: number };
/** `unasked`: shards that no one is known to lead. What they have is missing. */
export type TransactionList = Pick<ListReply, 'transactions' | 'truncated'> & Unasked;
export type LocksList = Pick<LocksReply, 'locks' | 'truncated'> & Unasked;

export interface KnownOwners {
  readonly connected: readonly ParticipantInfo[];
  readonly owners: readonly Owner[];
  /** False: there may be others that have branches. */
  readonly complete: boolean;
  /** A leader runs a version that does not say whom it knows, and retires whatever it is told. */
  readonly older: boolean;
}

interface Unasked {
  readonly unasked: readonly number[];
}

/** For the audit log of the node that does it. */
export type Why = Pick<Recover, 'reason'>;
type How = Pick<Retire, 'reason' | 'onlyKnown'>;

/** A node asks the leader, the log and participants, and waits for none of them as long. */
const explainTimeoutMs = 4_500;

/** An election after a lease of the default length is over in it. */
const electionMs = 5_000;

/** After what is known was told: that it is not all is a failure. */
export function requireAll({ unasked }: Unasked): void {
  if (unasked.length > 0) throw unled(unasked);
}

export async function withOperator<T>(
  flags: ConnectionFlags,
  work: (operator: Operator) => Promise<T>,
  reach: 'every' | 'leaders' = 'leaders',
): Promise<T> {
  const operator = new Operator(flags, reach);
  try {
    await operator.connect();
    return await work(operator);
  } finally {
    await operator.close();
  }
}

export class Operator {
  readonly #talk: Conversation;

  /** `reach`: to which nodes it is connected. */
  constructor(flags: ConnectionFlags, reach: 'every' | 'leaders') {
    this.#talk = new Conversation(flags, reach);
  }

  connect(): Promise<void> {
    return this.#talk.connect();
  }

  close(): Promise<void> {
    return this.#talk.close();
  }

  nodeNames(): Promise<string[]> {
    return this.#talk.nodeNames();
  }

  requireNode(name: string): Promise<void> {
    return this.#talk.requireNode(name);
  }

  givenAddress(node: string): Promise<string | null> {
    return this.#talk.givenAddress(node);
  }

  /** From the node that answers first. */
  info(): Promise<InfoReply> {
    return this.#talk.ask({ type: 'info' }, () => this.#talk.nodes.connected()[0] ?? null);
  }

  status(txid: Txid): Promise<ReplyTo['status']> {
    return this.#talk.ask({ type: 'status', txid }, ...this.#leaderOf(txid));
  }

  /** Of a shard that the cluster does not have any node says so: there is no leader to wait for. */
  #leaderOf(txid: Txid): [findLink: () => Link | null, how: Asking] {
    const { nodes } = this.#talk;
    const shard = shardOf(txid);
    const isUnled = (): boolean => nodes.connected().length > 0 && nodes.leader(shard) === null;
    return [
      () => (shard < nodes.shards ? nodes.leaderLink(shard) : (nodes.connected()[0] ?? null)),
      { noAnswer: () => (isUnled() ? unled([shard]) : null) },
    ];
  }

  /**
   * By any node that can, where all are reached for: each joins what the leader knows. One that
   * stands still is passed by.
   */
  explain(txid: Txid): Promise<ReplyTo['explain']> {
    let turn = 0;
    const next = (): Link | null => {
      const links = this.#talk.nodes.connected();
      const able = links.filter(({ welcome }) => welcome?.understands?.includes('explain'));
      if (able.length === 0 && links.length > 0 && this.#talk.isReached()) {
        throw cannotExplain(txid);
      }
      return able[turn++ % Math.max(1, able.length)] ?? null;
    };
    return this.#talk.ask({ type: 'explain', txid }, next, { tryMs: explainTimeoutMs });
  }

  resolve(txid: Txid, why: Why): Promise<ReplyTo['resolve']> {
    return this.#talk.ask({ type: 'resolve', txid, ...why }, ...this.#leaderOf(txid));
  }

  /**
   * At the node of that name, or at the one that answers first. A name that no node has is a slip
   * of the pen, and the time-out is not waited for.
   */
  async atNode<Type extends 'info' | 'config' | 'drain' | 'undrain' | 'log-level'>(
    message: Extract<RequestWithoutId, { type: Type }>,
    node: string | undefined,
  ): Promise<ReplyTo[Type]> {
    if (node === undefined) {
      return this.#talk.ask(message, () => this.#talk.nodes.connected()[0] ?? null);
    }
    await this.requireNode(node);
    const find = () => this.#talk.nodes.linkTo(node);
    return this.#talk.ask(message, find, { noAnswer: () => this.#talk.unheard(node) });
  }

  stepDown(
    given: { readonly shard: number } & Omit<StepDown, 'type' | 'id' | 'shard'>,
  ): Promise<SteppedDown> {
    const find = () => this.#talk.nodes.leaderLink(given.shard);
    return this.#talk.ask({ type: 'step-down', ...given }, find);
  }

  retry(txid: Txid, more: Pick<Retry, 'branch' | 'reason'>): Promise<ReplyTo['retry']> {
    return this.#talk.ask({ type: 'retry', txid, ...more }, ...this.#leaderOf(txid));
  }

  acknowledge(txid: Txid, branch: string, reason: string): Promise<ReplyTo['acknowledge']> {
    return this.#talk.ask({ type: 'acknowledge', txid, branch, reason }, ...this.#leaderOf(txid));
  }

  /**
   * Any node can do it. That of shard 0's leader reaches etcd; where there is none, another says
   * why. A log that is silent is not waited for: the node has waited already.
   */
  async retire(retired: Retired, how: How): Promise<void> {
    await this.#tellAll({ type: 'retire', ...retired, ...how });
  }

  async rebind(claim: Claim, identity: string, how: How): Promise<void> {
    await this.#tellAll({ type: 'rebind', ...claim, identity, ...how });
  }

  async #tellAll(message: RequestWithoutId & { type: 'retire' | 'rebind' }): Promise<void> {
    await this.#talk.ask(
      message,
      () =>
        this.#talk.nodes.leader(0) === null
          ? (this.#talk.nodes.connected()[0] ?? null)
          : this.#talk.nodes.leaderLink(0),
      { isFinal: (error) => error.code === 'LOG_UNAVAILABLE' },
    );
  }

  /** Of every shard, newest first. */
  async list(filter: ListFilter): Promise<TransactionList> {
    const { replies, unasked } = await this.#askWhoLeads({ type: 'list', ...filter });
    const all = replies.flatMap(({ transactions }) => transactions);
    if (replies.length > 1) all.sort((a, b) => a.ageMs - b.ageMs);
    return {
      transactions: all.slice(0, filter.limit),
      truncated: all.length > filter.limit || replies.some(({ truncated }) => truncated),
      unasked,
    };
  }

  /** Of every shard, those that most wait for first. */
  async locks(filter: LocksFilter): Promise<LocksList> {
    const { replies, unasked } = await this.#askWhoLeads({ type: 'locks', ...filter });
    const all = replies.flatMap(({ locks }) => locks);
    if (replies.length > 1) all.sort((a, b) => b.waiting - a.waiting);
    return {
      locks: all.slice(0, filter.limit),
      truncated: all.length > filter.limit || replies.some(({ truncated }) => truncated),
      unasked,
    };
  }

  /** Whoever is connected to a leader, or has branches there. */
  async owners(participant: string): Promise<KnownOwners> {
    const asked = { type: 'info', ownersOf: participant } as const;
    const { replies, unasked } = await this.#askWhoLeads(asked);
    return {
      connected: replies.flatMap(({ participants }) => participants),
      owners: replies.flatMap(({ owners }) => owners?.known ?? []),
      complete: unasked.length === 0 && replies.every(({ owners }) => owners?.complete === true),
      older: replies.some(({ owners }) => owners === undefined),
    };
  }

  async recover(why: Why): Promise<Pick<Recovered, 'pending' | 'resumed'>> {
    const replies = await this.#askLeaders({ type: 'recover', ...why });
    return {
      pending: replies.reduce((sum, { pending }) => sum + pending, 0),
      resumed: replies.reduce((sum, { resumed }) => sum + resumed, 0),
    };
  }

  /**
   * Each node that leads a shard, once: it answers for all that it leads. A shard that no one leads
   * holds up no other one.
   */
  async #askLeaders<Type extends 'info' | 'list' | 'locks' | 'recover'>(
    message: Extract<RequestWithoutId, { type: Type }>,
    shards: readonly number[] = this.#shards(),
  ): Promise<ReplyTo[Type][]> {
    const replies = new Map<string, ReplyTo[Type]>();
    for (const shard of shards) {
      const leader = this.#talk.nodes.leader(shard)?.node;
      if (leader !== undefined && replies.has(leader)) continue;
      let answered = leader ?? '';
      const find = (): Link | null => {
        const link = this.#talk.nodes.leaderLink(shard);
        answered = link?.welcome?.node ?? answered;
        return link;
      };
      const reply = await this.#talk.ask(message, find, { noAnswer: () => unled([shard]) });
      replies.set(answered, reply);
    }
    return [...replies.values()];
  }

  /** Those who lead by now, or within the time of an election. */
  async #askWhoLeads<Type extends 'info' | 'list' | 'locks'>(
    message: Extract<RequestWithoutId, { type: Type }>,
  ): Promise<{ readonly replies: ReplyTo[Type][] } & Unasked> {
    const untilMs = systemClock.monotonicMs() + Math.min(electionMs, this.#talk.leftMs() / 2);
    const isLed = (shard: number): boolean => this.#talk.nodes.leaderLink(shard) !== null;
    for (;;) {
      const waitMs = Math.ceil(untilMs - systemClock.monotonicMs());
      if (waitMs <= 0 || this.#shards().every(isLed)) break;
      await this.#talk.changes.wait(waitMs);
    }
    const [led, unasked] = [
      this.#shards().filter(isLed),
      this.#shards().filter((each) => !isLed(each)),
    ];
    if (led.length === 0) throw unled(unasked);
    return { replies: await this.#askLeaders(message, led), unasked };
  }

  #shards(): number[] {
    return Array.from({ length: Math.max(1, this.#talk.nodes.shards) }, (_, shard) => shard);
  }
}
