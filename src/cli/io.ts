/** What the command has of the world around it: streams, environment, signals. */
import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';

export type Output = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};
export type StopSignal = 'SIGINT' | 'SIGTERM';

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes the signals over until the returned function is called. */
  onStopSignal(listener: (signal: StopSignal) => void): () => void;
  /**
   * The same for SIGHUP: whoever keeps logs or certificates has changed their files; or the
   * terminal that the command was started on is closed.
   */
  onHangUp(listener: (terminalClosed: boolean) => void): () => void;
}

export function processIo(): Io {
  return {
    // Only opened where it is asked for: touching it can hold the process open.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onStopSignal: (listener) => {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.removeListener('SIGINT', listener);
        process.removeListener('SIGTERM', listener);
      };
    },
    onHangUp: (listener) => {
      const onTerminal = [0, 1, 2].some(isatty);
      const heard = (): void => listener(onTerminal && !hasTerminal());
      process.on('SIGHUP', heard);
      return () => process.removeListener('SIGHUP', heard);
    },
  };
}

/** Once it is closed no one can open it, whatever the streams were. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
