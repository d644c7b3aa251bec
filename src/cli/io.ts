/** What the command has of the world around it: streams, environment, signals. */
import type { Readable, Writable } from 'node:stream';

export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type StopSignal = 'SIGINT' | 'SIGTERM';

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes the signals over until the returned function is called. */
  onStopSignal(listener: (signal: StopSignal) => void): () => void;
  /** The same for SIGHUP: whoever keeps logs has moved their files. */
  onHangUp(listener: () => void): () => void;
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
      process.on('SIGHUP', listener);
      return () => process.removeListener('SIGHUP', listener);
    },
  };
}
