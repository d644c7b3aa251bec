/** What Verdict logs, in Nest's own logger. */
import { Logger as NestLogger } from '@nestjs/common';
import type { Logger } from '../ports/logger.ts';

export function nestLogger(context: string): Logger {
  const logger = new NestLogger(context);
  return {
    debug: (fields, text) => logger.debug(line(fields, text)),
    info: (fields, text) => logger.log(line(fields, text)),
    warn: (fields, text) => logger.warn(line(fields, text)),
    error: (fields, text) => logger.error(line(fields, text)),
  };
}

function line(fields: object, text: string): string {
  const json = JSON.stringify(fields, (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  return json === '{}' ? text : `${text} ${json}`;
}
