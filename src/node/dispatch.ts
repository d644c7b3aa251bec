/** Where each message goes: to the term of its shard, or to the node itself. */

import type { ShardDriver } from '../coordinator/shard-driver.ts';
import { scopedLockGroup } from '../core/locks/names.ts';
import type { Hello, ToNode } from '../core/messages.ts';
import { requestShard } from '../core/request-shard.ts';
import { scoped } from '../core/scope.ts';
import type { Sender, TermRequest } from '../core/term/events.ts';
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import { admitsTxid } from './issued.ts';
import { answerFromLog } from './judge-from-log.ts';
import type { CoordinatorNode } from './node.ts';
import { operate } from './operate.ts';
import { requestHash } from './request-hash.ts';
import type { Session } from './session.ts';

export function dispatch(
  node: CoordinatorNode,
  session: Session,
  message: Exclude<ToNode, Hello>,
): void {
  switch (message.type) {
    case 'error':
    case 'goaway':
      node.given.logger.debug({ peer: session.hello?.name, ...message }, 'A peer says so.');
      if (message.type === 'goaway') node.leaves(session);
      return;
    case 'begin': {
      const client = session.hello?.name ?? '';
      const { lockGroup: named } = message;
      const lockGroup = named === undefined ? undefined : scopedLockGroup(client, named);
      const shard = groupShard(node, lockGroup);
      const driver =
        shard === null ? anyDriver(node, undefined) : (node.drivers.get(shard) ?? null);
      if (driver === null) notLeader(node, session, message.id, shard ?? 0);
      else {
        const own = lockGroup === undefined ? message : { ...message, lockGroup };
        deliver(session, driver, own, null);
      }
      return;
    }
    case 'transact': {
      const client = session.hello?.name ?? '';
      const requestId =
        message.requestId === undefined ? undefined : scoped(client, message.requestId);
      const locks = (message.locks ?? []).length > 0 || message.lockGroup !== undefined;
      const lockGroup = locks ? scopedLockGroup(client, message.lockGroup) : undefined;
      // Those who compete for locks meet one leader: that goes before where a request id belongs.
      const shard =
        groupShard(node, lockGroup) ??
        (requestId === undefined ? null : requestShard(requestId, node.given.log.meta.shards));
      const driver =
        shard === null ? anyDriver(node, message.epoch) : (node.drivers.get(shard) ?? null);
      if (driver === null) notLeader(node, session, message.id, shard ?? 0);
      else {
        const hash = requestId === undefined ? null : requestHash(message);
        const own = {
          ...message,
          ...(requestId === undefined ? {} : { requestId }),
          ...(lockGroup === undefined ? {} : { lockGroup }),
        };
        deliver(session, driver, own, hash);
      }
      return;
    }
    case 'enlist':
      if (!session.is('client') && message.participant !== session.hello?.name) {
        session.fail(message.id, 'FORBIDDEN', 'A participant enlists only itself.');
        return;
      }
      toShard(node, session, message);
      return;
    case 'lock':
    case 'commit':
    case 'rollback':
    case 'status':
    case 'query':
    case 'resolve':
    case 'vote':
    case 'working':
    case 'ack':
      toShard(node, session, message);
      return;
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
      const driver = node.drivers.get(shard);
      if (driver === undefined) notLeader(node, session, message.id, shard);
      else node.reports.add(session, shard, message);
      return;
    }
    case 'info':
    case 'list':
    case 'locks':
    case 'recover':
    case 'retire':
      operate(node, session, message);
      return;
  }
}

/**
 * The shard whose leadership the peer meant, where it named an epoch: two leaderships never have the same one. Else
 * one by chance, so that all shards of this node share the load.
 */
function anyDriver(node: CoordinatorNode, epoch: Epoch | undefined): ShardDriver | null {
  const drivers = [...node.drivers.values()];
  const meant =
    epoch === undefined ? undefined : drivers.find(({ leader }) => leader.epoch === epoch);
  if (meant !== undefined) return meant;
  const at = Math.floor(node.given.random.fraction() * drivers.length);
  return drivers[at] ?? null;
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
  const shard = shardOf(message.txid);
  if (shard >= node.given.log.meta.shards) {
    session.fail(
      id,
      'UNKNOWN_TRANSACTION',
      'The txid names a shard that this cluster does not have.',
    );
    return;
  }
  if (!admitsTxid(node, session, message)) return;
  const driver = node.drivers.get(shard);
  if (readers.has(message.type) && node.logReads.isFull(session.id)) {
    if (id !== undefined) {
      tooManyReads(session, id);
      return;
    }
    // A vote that comes too late to count, as if it had been lost: its sender asks for the outcome.
    if (driver?.term.remembers(message.txid) !== true) return;
  }
  if (driver !== undefined) {
    deliver(session, driver, message, null, senderWithShare(node, session, message));
  } else if (message.type === 'query' || message.type === 'resolve' || message.type === 'status') {
    const refuseRetired = () => node.refuseRetired(session);
    const { logReads } = node;
    const line = (event: string) => node.takeLine(event);
    void answerFromLog({ ...node.given, logReads, line, refuseRetired }, session, {
      message,
      from: senderWithShare(node, session, message),
    });
  } else if (id !== undefined) {
    notLeader(node, session, id, shard);
  }
}

/** The sender, and whether it brought what makes the transaction its own. */
export function senderWithShare(
  node: CoordinatorNode,
  session: Session,
  message: { readonly txid: Txid; readonly share?: string },
): Sender {
  const { share, txid } = message;
  if (share === undefined || !node.seal.isShare(txid, share)) return session.sender;
  return { ...session.sender, hasShare: true };
}

function deliver(
  session: Session,
  driver: ShardDriver,
  message: TermRequest,
  hash: string | null,
  from: Sender = session.sender,
): void {
  driver.step({ type: 'message', from, message, requestHash: hash });
}

/** What may have the log read for whoever sent it. */
const readers: ReadonlySet<ToNode['type']> = new Set(['query', 'resolve', 'status', 'vote']);

function tooManyReads(session: Session, id: number): void {
  session.send({
    type: 'error',
    id,
    code: 'BUSY',
    message: 'As many questions of this connection as may wait for the decision log do so.',
    retryable: true,
    retryAfterMs: 100,
  });
}

function notLeader(node: CoordinatorNode, session: Session, id: number, shard: number): void {
  session.send({
    type: 'error',
    id,
    code: 'NOT_LEADER',
    message: 'This node does not lead the shard at the moment.',
    retryable: true,
    retryAfterMs: 100,
    leader: node.leaders()[shard] ?? null,
  });
}
