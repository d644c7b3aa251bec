/** A service's log: one line a message, `level text key=value ...`, on stderr. */
import process from 'node:process';
import type { Logger } from '../../src/participant.ts';

export function lineLogger(): Logger {
  const write =
    (level: string) =>
    (fields: object, text: string): void => {
      const more = Object.entries(fields).map(([name, value]) => ` ${name}=${format(value)}`);
      process.stderr.write(`${level} ${text}${more.join('')}\n`);
    };
  return {
    debug: () => undefined,
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}

function format(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/-]+$/.test(value) ? value : JSON.stringify(value);
}
