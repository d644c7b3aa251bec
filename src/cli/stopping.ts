/**
 * The signals that stop a node, and the one that does not.
 *
 * SIGHUP does not end a node: whoever rotates files sends it, and what can be read or opened anew
 * listens for itself. Only where the terminal that the node was started on is closed it stops, in
 * order, for no one could stop it any more.
 */
import type { CoordinatorNode } from '../node/node.ts';
import type { Logger } from '../ports/logger.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';

export class HangUp {
  readonly release: () => void;
  /** Until the node listens there is nothing to stop in order. */
  #closed: () => void = () => exitSoon(exitCodes.hungUp);

  constructor(io: Io, logger: Pick<Logger, 'info'>) {
    this.release = io.onHangUp((terminalClosed) => {
      if (terminalClosed) return this.#closed();
      logger.info({ event: 'hang-up' }, text);
    });
  }

  onClosed(listener: () => void): void {
    this.#closed = listener;
  }
}

const text =
  'SIGHUP: certificates are read and the audit file is opened anew, where there are any. The node goes on; SIGTERM stops it.';

/** Resolves when the node has stopped; a second signal ends the process at once. */
export function stopOnSignal(
  io: Io,
  { node, hangUp }: { readonly node: CoordinatorNode; readonly hangUp: HangUp },
  heard: (signal: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: string): void => {
      stopping = true;
      heard(signal);
      node.stop().then(resolve, reject);
    };
    io.onStopSignal((signal) => {
      if (stopping) return exitSoon(exitCodes.interrupted);
      stop(signal);
    });
    hangUp.onClosed(() => {
      if (!stopping) stop('SIGHUP');
    });
  });
}
