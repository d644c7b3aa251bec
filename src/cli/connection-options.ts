/** Options that every command has which talks to a coordinator. */

import { type Command, Option } from 'commander';
import { day } from '../core/options.ts';
import { defaultUrl, urlList, wholeNumber } from './parameters.ts';

/** How a command hands its exit code over; 0 where it never does. */
export type SetExitCode = (exitCode: number) => void;

export interface ConnectionFlags {
  readonly url: readonly string[];
  readonly tokenFile?: string;
  readonly timeout: number;
  readonly json?: true;
}

export function connectionOptions(
  command: Command,
  timeout: { readonly defaultMs: number; readonly meaning: string },
): Command {
  return command
    .addOption(
      new Option('--url <urls>', 'address of a coordinator node; separate several with commas')
        .env('VERDICT_URL')
        .argParser(urlList)
        .default([defaultUrl], defaultUrl),
    )
    .addOption(
      new Option('--token-file <file>', 'file with the token, if the coordinator requires one').env(
        'VERDICT_TOKEN_FILE',
      ),
    )
    .addOption(
      new Option('--timeout <ms>', timeout.meaning)
        .argParser(wholeNumber({ min: 1, max: day }))
        .default(timeout.defaultMs),
    )
    .option('--json', 'answer in JSON, for programs');
}
