/** What an operator has a node do, one node another, and the replies. */
import type {
  FromOtherNode,
  LevelName,
  ShardMoved,
  Steered,
  Steering,
  ToOtherNode,
} from '../../core/messages.ts';
import { maxShards } from '../../core/txid.ts';
import { count, duration, id, key, type ShapesOf, sentence, shardNumber } from '../shapes.ts';
import {
  boolean,
  epoch,
  list,
  map,
  nullable,
  oneOf,
  optional,
  type Rule,
  required,
} from '../validators.ts';
import { operatorReason } from './operator.ts';

const logLevel: Rule<LevelName> = oneOf(['debug', 'info', 'warn', 'error', 'silent']);

const shardsMoved = required(
  list(
    map<ShardMoved>({
      shard: required(shardNumber, 'A shard that the node led.'),
      to: required(nullable(key), 'Who leads it now; null: the node leads on.'),
      why: optional(sentence, 'Why it leads on.'),
    }),
    maxShards,
  ),
  'What became of each shard.',
);

export const steering: ShapesOf<Steering | FromOtherNode> = {
  'step-down': {
    id,
    shard: optional(shardNumber, 'The shard to hand over; all that the node leads where absent.'),
    to: optional(key, 'The node that is to lead it; the one that is most ready where absent.'),
    reason: operatorReason,
  },
  drain: { id, reason: operatorReason },
  undrain: { id, reason: operatorReason },
  'log-level': {
    id,
    level: required(logLevel, 'The lowest level to log.'),
    forMs: optional(duration, 'After that as the node was started; absent: until it ends.'),
    reason: operatorReason,
  },
  'take-over': {
    id,
    shard: required(shardNumber, 'The shard that the sender leads.'),
    epoch: required(epoch, 'Under which the sender leads it: that leadership alone is followed.'),
    now: optional(boolean, 'Take it over now; where absent or false, only say whether you would.'),
  },
};

export const steered: ShapesOf<Steered | ToOtherNode> = {
  'stepped-down': { id, shards: shardsMoved },
  drained: { id, node: required(key, 'The name of the node.'), shards: shardsMoved },
  undrained: { id, node: required(key, 'The name of the node.') },
  'log-level-set': {
    id,
    node: required(key, 'The name of the node.'),
    level: required(logLevel, 'The lowest level that is logged now.'),
    was: required(logLevel, 'Before.'),
  },
  'taken-over': {
    id,
    epoch: optional(epoch, 'Under which it leads now; absent where it only would.'),
    participants: required(count, 'Instances of participants that are connected to it.'),
  },
};
