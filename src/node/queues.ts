/** What may become long or large at a node, for operators: each with its bound. */
import { type QueueInfo, type QueueName, queueNames } from '../core/messages.ts';
import type { CoordinatorNode } from './node.ts';

/** Of a queue that each shard has, the fullest. */
export function queuesOf(node: CoordinatorNode): QueueInfo[] {
  const fullest = new Map<QueueName, QueueInfo>();
  for (const { term } of node.drivers.values()) {
    for (const queue of term.queues()) {
      const before = fullest.get(queue.queue);
      if (before === undefined || (queue.entries ?? 0) > (before.entries ?? 0)) {
        fullest.set(queue.queue, queue);
      }
    }
  }
  const own: QueueInfo[] = [
    { queue: 'log-reads', ...node.logReads.waiting },
    { queue: 'lists', ...node.pacedAnswers.waiting },
    ...Object.entries(node.held).map(([queue, held]) => ({ queue: queue as QueueName, ...held })),
  ];
  for (const queue of own) fullest.set(queue.queue, queue);
  return queueNames.flatMap((name) => fullest.get(name) ?? []);
}
