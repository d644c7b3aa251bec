/** The entry point of the `verdict` command. */
import { CommanderError } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { type Io, processIo } from './io.ts';
import { buildProgram } from './program.ts';
import { colorsFor, harmlessLines, jsonText } from './text.ts';

/**
 * Runs the command and resolves with its exit code, without ending the process: output may still be
 * under way. `argv`: what stands after the command's name. `io`: for tests; by default the
 * process's own, whose exitCode is set too.
 */
export async function main(argv: readonly string[], io?: Io): Promise<number> {
  if (io !== undefined) return run(argv, io);
  // What a library may not do some day says nothing to whoever runs the command.
  process.noDeprecation ??= true;
  const exitCode = await run(argv, processIo());
  process.exitCode = exitCode;
  return exitCode;
}

async function run(argv: readonly string[], io: Io): Promise<number> {
  // A reader that goes away must not cause a stack trace. LineWriter has a listener of its own.
  io.stdout.on('error', ignore);
  io.stderr.on('error', ignore);
  let exitCode: number = exitCodes.ok;
  const json = argv.includes('--json');
  const program = buildProgram(
    io,
    (code) => {
      exitCode = code;
    },
    json,
  );
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    // It has said what is wrong, or printed the help that was asked for.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return complain(error, json, io);
  }
  return exitCode;
}

async function complain(error: unknown, json: boolean, io: Io): Promise<number> {
  const { complaintOf } = await import('./complaint.ts');
  const { code, message, exitCode } = complaintOf(error);
  if (json) {
    io.stderr.write(`${jsonText({ error: { code, message } })}\n`);
  } else {
    const { red } = colorsFor(io.stderr, io.env);
    io.stderr.write(`${red('error:')} ${harmlessLines(message)}\n`);
  }
  return exitCode;
}

function ignore(): void {}
