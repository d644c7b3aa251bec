/** What operators have a node do about its leaderships and its log. */
import type { ShardGiven } from '../coordinator/leading.ts';
import type { ShardMoved, Steering } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import type { CoordinatorNode } from './node.ts';
import type { Session } from './session.ts';

export function steer(node: CoordinatorNode, session: Session, message: Steering): void {
  void carryOut(node, session, message).catch((error: unknown) =>
    session.fail(message.id, 'INTERNAL', thrownLine(error)),
  );
}

async function carryOut(node: CoordinatorNode, session: Session, message: Steering): Promise<void> {
  const { leading, given } = node;
  const { id } = message;
  switch (message.type) {
    case 'step-down': {
      const { shard, to } = message;
      if (shard !== undefined && !node.drivers.has(shard)) {
        const leader = node.leaders()[shard] ?? null;
        session.fail(id, 'NOT_LEADER', 'This node does not lead the shard.', { leader });
        return;
      }
      const shards = shard === undefined ? [...node.drivers.keys()] : [shard];
      const given = await Promise.all(shards.map((each) => leading.stepDown(each, to)));
      session.send({ type: 'stepped-down', id, shards: given.map(movedOf) });
      return;
    }
    case 'drain': {
      const shards = await node.drain();
      session.send({ type: 'drained', id, node: given.node, shards: shards.map(movedOf) });
      return;
    }
    case 'undrain':
      node.undrain();
      session.send({ type: 'undrained', id, node: given.node });
      return;
    case 'log-level': {
      const { level, forMs } = message;
      const was = node.logLevel?.set(level, forMs, session.operator);
      if (was === undefined) {
        session.fail(id, 'INVALID_MESSAGE', "The log of this node is its owner's: set it there.");
        return;
      }
      // At a level that shows it, before or after.
      given.logger.warn({ level, was, forMs }, 'An operator changed the level of the log.');
      session.send({ type: 'log-level-set', id, node: given.node, level, was });
    }
  }
}

function movedOf(given: ShardGiven): ShardMoved {
  const { shard } = given;
  return given.type === 'handed' ? { shard, to: given.to } : { shard, to: null, why: given.why };
}
