/** Where each message goes: to the term of its shard, or to the node itself. */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import { defined } from '../core/defined.ts';
import { scopedLockGroup } from '../core/locks/names.ts';
import type { Hello, ToNode } from '../core/messages.ts';
import { requestShard } from '../core/request-shard.ts';
import { scoped } from '../core/scope.ts';
import type { Sender, TermRequest } from '../core/term/events.ts';
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import { answerFromLog } from './judge-from-log.ts';
import type { CoordinatorNode } from './node.ts';
import { operate } from './operate.ts';
import { requestHash } from './request-hash.ts';
import type { Session } from './session.ts';
import { steer } from './steer.ts';
import { takeOver } from './successors.ts';

export function dispatch(
  node: CoordinatorNode,
  session: Session,
  message: Exclude<ToNode, Hello>,
): void {
  switch (message.type) {
    case 'error':
    case 'goaway': {
      const { type } = message;
      // Its own words may hold anything.
      const code = message.type === 'error' ? message.code : undefined;
      node.given.logger.debug({ peer: session.hello?.name, type, code }, 'A peer says so.');
      if (message.type === 'goaway') node.leaves(session);
      return;
    }
    case 'begin': {
      const client = session.hello?.name ?? '';
      const { id, lockGroup: named } = message;
      const lockGroup = named === undefined ? undefined : scopedLockGroup(client, named);
      const driver = leaderOf(node, session, { id, shard: groupShard(node, lockGroup) });
      if (driver === null || waitsForNext(node, session, id, driver)) return;
      const own = lockGroup === undefined ? message : { ...message, lockGroup };
      driver.step({ type: 'message', from: session.sender, message: own, requestHash: null });
      return;
    }
    case 'transact': {
      const client = session.hello?.name ?? '';
      const { id, epoch } = message;
      const requestId =
        message.requestId === undefined ? undefined : scoped(client, message.requestId);
      const locks = (message.locks ?? []).length > 0 || message.lockGroup !== undefined;
      const lockGroup = locks ? scopedLockGroup(client, message.lockGroup) : undefined;
      // Those who compete for locks meet one leader: that goes before where a request id belongs.
      const shard =
        groupShard(node, lockGroup) ??
        (requestId === undefined ? null : requestShard(requestId, node.given.log.meta.shards));
      const driver = leaderOf(node, session, { id, shard, epoch });
      if (driver === null || waitsForNext(node, session, id, driver)) return;
      driver.step({
        type: 'message',
        from: session.sender,
        message: { ...message, ...defined({ requestId, lockGroup }) },
        requestHash: requestId === undefined ? null : requestHash(message),
      });
      return;
    }
    case 'enlist':
      if (!session.is('client') && message.participant !== session.hello?.name) {
        session.fail(message.id, 'FORBIDDEN', 'A participant enlists only itself.');
        return;
      }
      return toShard(node, session, message);
    case 'lock':
    case 'commit':
    case 'rollback':
    case 'status':
    case 'query':
    case 'resolve':
    case 'vote':
    case 'working':
    case 'ack':
    case 'retry':
      return toShard(node, session, message);
    case 'acknowledge':
      return toShard(node, session, { ...message, by: session.operator });
    case 'report': {
      const shards = new Set<number>();
      for (const { txid } of message.inDoubt) shards.add(shardOf(txid));
      for (const txid of message.kept) shards.add(shardOf(txid));
      if (shards.size > 1) {
        session.fail(message.id, 'INVALID_MESSAGE', 'A report is about one shard.');
        return;
      }
      const shard = [...shards][0];
      if (shard === undefined) {
        session.send({ type: 'reported', id: message.id });
        return;
      }
      if (leaderOf(node, session, { id: message.id, shard }) !== null)
        node.reports.add(session, shard, message);
      return;
    }
    case 'described':
      node.descriptions.answered(session, message);
      return;
    case 'explain':
      node.explanations.answer(session, message);
      return;
    case 'config':
    case 'info':
    case 'list':
    case 'locks':
    case 'recover':
    case 'retire':
    case 'rebind':
    case 'stats':
      return operate(node, session, message);
    case 'step-down':
    case 'drain':
    case 'undrain':
    case 'log-level':
      return steer(node, session, message);
    case 'take-over':
      void takeOver(node, session, message);
      return;
  }
}

/** Who leads the shard, or any shard, at this node. Null if no one does: then it has answered. */
function leaderOf(
  node: CoordinatorNode,
  session: Session,
  asked: { readonly id: number; readonly shard: number | null; readonly epoch?: Epoch | undefined },
): ShardDriver | null {
  const { id, shard, epoch } = asked;
  const driver = shard === null ? anyDriver(node, epoch) : node.drivers.get(shard);
  if (driver !== undefined) return driver;
  notLeader(node, session, id, shard ?? 0);
  return null;
}

/**
 * The shard whose leadership the peer meant, if it named an epoch: two leaderships never have the
 * same one. Else one by chance, so that all shards of this node share the load.
 */
function anyDriver(node: CoordinatorNode, epoch: Epoch | undefined): ShardDriver | undefined {
  const drivers = [...node.drivers.values()];
  const meant =
    epoch === undefined ? undefined : drivers.find(({ leader }) => leader.epoch === epoch);
  return meant ?? drivers[Math.floor(node.given.random.fraction() * drivers.length)];
}

/** In the moment in which its shard is handed over, what is new waits for the next leader. */
function waitsForNext(
  node: CoordinatorNode,
  session: Session,
  id: number,
  driver: ShardDriver,
): boolean {
  return driver.holds(() => notLeader(node, session, id, driver.leader.shard));
}

function groupShard(node: CoordinatorNode, lockGroup: string | undefined): number | null {
  return lockGroup === undefined ? null : requestShard(lockGroup, node.given.log.meta.shards);
}

function toShard(
  node: CoordinatorNode,
  session: Session,
  message: Extract<TermRequest, { txid: Txid }>,
): void {
  const id = 'id' in message ? message.id : undefined;
  const { txid } = message;
  const shard = shardOf(txid);
  if (shard >= node.given.log.meta.shards) {
    const text = 'The txid names a shard that this cluster does not have.';
    session.fail(id, 'UNKNOWN_TRANSACTION', text);
    return;
  }
  if (!node.isIssued(txid)) {
    // A vote, or an acknowledgement, has no answer.
    if (id !== undefined) session.fail(id, 'UNKNOWN_TRANSACTION', notIssued);
    return;
  }
  const driver = node.drivers.get(shard);
  if (readers.has(message.type) && node.logReads.isFull(session.id)) {
    if (id !== undefined) {
      session.fail(id, 'BUSY', tooManyReads, { retryAfterMs: 100 });
      return;
    }
    // A vote that comes too late to count, as if it had been lost: its sender asks for the outcome.
    if (driver?.term.remembers(txid) !== true) return;
  }
  if (driver !== undefined) {
    const from = senderWithShare(node, session, message);
    driver.step({ type: 'message', from, message, requestHash: null });
  } else if (message.type === 'query' || message.type === 'resolve' || message.type === 'status') {
    const from = senderWithShare(node, session, message);
    void answerFromLog(node, session, { message, from });
  } else if (id !== undefined) {
    notLeader(node, session, id, shard);
  }
}

/** The sender, and whether it brought what makes the transaction its own. */
function senderWithShare(
  node: CoordinatorNode,
  session: Session,
  message: { readonly txid: Txid; readonly share?: string },
): Sender {
  const { share, txid } = message;
  if (share === undefined || !node.seal.isShare(txid, share)) return session.sender;
  return { ...session.sender, hasShare: true };
}

/** Messages that may make the log be read for their sender. */
const readers: ReadonlySet<ToNode['type']> = new Set(['query', 'resolve', 'status', 'vote']);

const tooManyReads = 'As many questions of this connection as may wait for the decision log do so.';
const notIssued =
  'No leader of this cluster ever gave out that txid: it is made up or mistyped, or of another cluster or decision log. Nothing was done.';

function notLeader(node: CoordinatorNode, session: Session, id: number, shard: number): void {
  const leader = node.leaders()[shard] ?? null;
  const text = 'This node does not lead the shard at the moment.';
  // Who leads can be asked at once.
  const more = leader === null ? { retryAfterMs: 100, leader } : { leader };
  session.fail(id, 'NOT_LEADER', text, more);
}
