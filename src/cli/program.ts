/** The `verdict` command and its subcommands. What a subcommand needs is loaded when it runs. */
import { Command } from 'commander';
import type { CommandErrorCode } from './command-error.ts';
import { devCaCommand } from './dev-ca/command.ts';
import { devCommand } from './dev-command.ts';
import { doctorCommand } from './doctor/command.ts';
import { execCommand } from './exec/command.ts';
import { exitCodeTexts } from './exit-codes.ts';
import { explainCommand } from './explain/command.ts';
import type { Io } from './io.ts';
import { operatorCommands } from './operator/commands.ts';
import type { SetExitCode } from './options.ts';
import { serveCommand } from './serve-command.ts';
import { submitCommand } from './submit/command.ts';
import { jsonText } from './text.ts';
import { topCommand } from './top/command.ts';
import { hinted } from './unknown-command.ts';
import { packageVersion } from './version.ts';

/** `json`: for a program, which reads what is wrong from one object, as of any other error. */
export function buildProgram(io: Io, setExitCode: SetExitCode, json: boolean = false): Command {
  const program = new Command('verdict');
  program
    .description(
      'Distributed transactions: runs a coordinator; submits, watches and repairs transactions.',
    )
    .version(packageVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      outputError: (text, write) => {
        const said = hinted(text, program);
        write(json ? `${jsonText({ error: usageProblem(said) })}\n` : said);
      },
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError(json ? false : '(--help after the command says more)')
    .addHelpText('after', () => afterHelp());
  serveCommand(program, io, setExitCode);
  devCommand(program, io, setExitCode);
  devCaCommand(program, io, setExitCode);
  submitCommand(program, io, setExitCode);
  execCommand(program, io, setExitCode);
  explainCommand(program, io, setExitCode);
  topCommand(program, io, setExitCode);
  doctorCommand(program, io, setExitCode);
  operatorCommands(program, io, setExitCode);
  return program;
}

function usageProblem(said: string): { readonly code: CommandErrorCode; readonly message: string } {
  return {
    code: 'USAGE',
    message: said
      .replace(/^error: /, '')
      .trim()
      .replace(/\n/g, ' '),
  };
}

function afterHelp(): string {
  const codes = exitCodeTexts.map(([code, text]) => `  ${String(code).padStart(3)}  ${text}`);
  return `
Start here:
  $ npx verdict dev                         a coordinator to try things on, its data removed at the end
  $ npx verdict serve                       a coordinator at 127.0.0.1:7070, its data in ./verdict-data
  $ npx verdict submit orders.jsonl         one transaction per line
  $ npx verdict status                      who leads, who is connected, what is under way

Exit codes:
${codes.join('\n')}`;
}
