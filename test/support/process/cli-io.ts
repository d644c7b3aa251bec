/** The CLI's world in memory: what it writes, its exit code, signals by hand. */
import { PassThrough } from 'node:stream';
import type { Io, Output, StopSignal } from '../../../src/cli/io.ts';
import { main } from '../../../src/cli/main.ts';

export interface MemoryIo extends Io {
  readonly stdin: PassThrough;
  out(): string;
  errors(): string;
  signal(signal: StopSignal): void;
}

export function memoryIo(
  options: { readonly env?: Io['env']; readonly stdout?: Output; readonly columns?: number } = {},
): MemoryIo {
  const stdout = gathered();
  const stderr = gathered();
  const listeners = new Set<(signal: StopSignal) => void>();
  return {
    stdin: new PassThrough(),
    stdout: options.stdout ?? stdout.stream,
    stderr: stderr.stream,
    env: options.env ?? {},
    onStopSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onHangUp: () => () => undefined,
    out: stdout.text,
    errors: stderr.text,
    signal: (signal) => {
      for (const listener of [...listeners]) listener(signal);
    },
  };
}

/** Runs the command in this process. */
export async function runMain(
  argv: readonly string[],
  io: MemoryIo = memoryIo(),
): Promise<{ readonly exitCode: number; readonly out: string; readonly errors: string }> {
  const exitCode = await main(argv, io);
  return { exitCode, out: io.out(), errors: io.errors() };
}

function gathered(): { readonly stream: PassThrough; readonly text: () => string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
