/** What nodes send, to where it belongs. */
import type { FromNode } from '../core/messages.ts';
import type { Branches } from './branches.ts';
import { describe } from './describe.ts';
import type { Session } from './sessions.ts';

export function dispatch({ id, node }: Session, message: FromNode, branches: Branches): void {
  const { logger } = branches.ports;
  switch (message.type) {
    case 'prepare':
    case 'commit':
    case 'rollback':
      logger.debug({ txid: message.txid, branch: message.branch }, message.type);
      if (message.type === 'prepare') return branches.prepare(id, message);
      return branches.command(id, message);
    case 'forget':
      return branches.forget(message.txids);
    case 'decision':
      return branches.answer(message);
    case 'describe':
      void describe(branches, message).then((described) => branches.ports.send(id, described));
      return;
    case 'goaway':
      return logger.info({ node, reason: message.reason }, 'the node is about to close');
    case 'error':
      return logger.warn(
        { node, code: message.code, txid: message.txid },
        `the node refused a message: ${message.message}`,
      );
    default:
      logger.warn({ node, type: message.type }, 'a message that answers nothing');
  }
}
