/** The log of a node or an SDK. pino's loggers fit. Payloads and results are never logged. */
export interface Logger {
  /** Each message that comes and goes. */
  debug(fields: object, text: string): void;
  /** What an operator may want to know afterwards: connections, doubts that ended. */
  info(fields: object, text: string): void;
  /** What may need looking at. */
  warn(fields: object, text: string): void;
  /** What needs looking at: alarms, and failures that end the participant or the node. */
  error(fields: object, text: string): void;
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * The logger that a user gave, for what `of` names. What it throws ends no transaction: a disk that
 * is full for logs, say. Throws a TypeError where it lacks a method.
 */
export function userLogger(given: Logger, of: string): Logger {
  if (given === silentLogger) return given;
  const guarded = (method: keyof Logger): Logger['info'] => {
    if (typeof given?.[method] !== 'function') {
      throw new TypeError(
        `logger in ${of} has no method ${method}: it needs debug, info, warn and error, which a pino logger has.`,
      );
    }
    return (fields, text) => {
      try {
        given[method](fields, text);
      } catch {
        // What was to be logged matters less than what is being done.
      }
    };
  };
  return {
    debug: guarded('debug'),
    info: guarded('info'),
    warn: guarded('warn'),
    error: guarded('error'),
  };
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ['pretty', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];
