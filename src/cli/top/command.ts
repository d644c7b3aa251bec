import type { Command } from 'commander';
import { minute } from '../../core/options.ts';
import type { Io } from '../io.ts';
import { type ConnectionFlags, connectionOptions, type SetExitCode } from '../options.ts';
import { wholeNumber } from '../parameters.ts';

export interface TopFlags extends ConnectionFlags {
  readonly interval: number;
  readonly once?: true;
}

/** Registers `verdict top`. */
export function topCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('top')
    .summary('show live what the nodes do: throughput, latency, what is in flight')
    .description(
      'Shows live, of all nodes: throughput and how transactions end, latency by phase, what is in flight, who leads what, the windows and breakers of the participants. Keys: q quits, p pauses, s sorts the participants by something else. Where the output is no terminal, it prints one snapshot.',
    );
  connectionOptions(command, { defaultMs: 5_000, meaning: 'for the first connection' })
    .option(
      '--interval <ms>',
      'between two readings',
      wholeNumber({ min: 100, max: 10 * minute }),
      1_000,
    )
    .option('--once', 'print one snapshot, of two readings, and end')
    .addHelpText(
      'after',
      '\nWith --json it prints one object a line, and goes on until it is stopped.\n\nExamples:\n  $ verdict top\n  $ verdict top --once\n  $ verdict top --json --interval 5000 >> top.jsonl',
    )
    .action(async (flags: TopFlags) => {
      const { top } = await import('./top.ts');
      setExitCode(await top({ io, ...flags }));
    });
}
