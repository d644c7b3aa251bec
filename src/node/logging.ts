/** A node's log: pino, as JSON lines for machines and pretty on a terminal. */
import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino';
import { escapeUnseen } from '../core/names.ts';
import type { LogFormat, LogLevel } from '../ports/logger.ts';

export type { Logger as PinoLogger } from 'pino';

/**
 * Lines go to stderr; stdout is for answers. They are written synchronously: the last line before a
 * kill is the one that matters.
 */
export async function createLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly node: string;
}): Promise<PinoLogger> {
  const stream: DestinationStream =
    options.format === 'json'
      ? destination({ dest: 2, sync: true })
      : // Which a node that writes JSON does not load.
        (await import('pino-pretty')).default({
          destination: 2,
          sync: true,
          colorize: process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined,
          translateTime: 'SYS:HH:MM:ss.l',
          ignore: 'pid,hostname,node',
        });
  // A terminal that was closed takes no more lines; the node has still to end in order.
  if ('on' in stream && typeof stream.on === 'function') stream.on('error', unlessClosed);
  const shown = escaped(stream, options.format);
  return pino({ level: options.level, base: { node: options.node } }, shown);
}

function unlessClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EIO') throw error;
}

/**
 * JSON escapes only ASCII's controls; a terminal obeys others too, such as those of direction, and
 * people look at JSON in one. Its readers get them back; what makes it pretty is not to.
 */
function escaped(stream: DestinationStream, format: LogFormat): DestinationStream {
  const shown =
    format === 'json' ? escapeUnseen : (run: string) => escapeUnseen(run).replaceAll('\\', '\\\\');
  return { write: (line) => stream.write(line.replace(/[^\n -~]+/g, shown)) };
}
