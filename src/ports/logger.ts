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

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ['pretty', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];
