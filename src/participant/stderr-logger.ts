/** For a service without a logger: that it is connected, and what is wrong. A line each. */
import { thrownText } from '../core/thrown.ts';
import type { Logger } from '../ports/logger.ts';

export function stderrLogger(participant: string): Logger {
  const line = (text: string, fields: object = {}): void => {
    const whole = `verdict: ${participant}: ${text}${detailOf(fields, text)}`;
    // What a node says must not steer a terminal.
    // biome-ignore lint/suspicious/noConsole: unlike the stream, it never fails unread.
    console.error(whole.replace(/\p{C}/gu, '?'));
  };
  let connected = false;
  return {
    debug: () => undefined,
    info: (fields, text) => {
      // Once: connections that come and go are for a log that someone asked for.
      if (connected || text !== connectedText) return;
      connected = true;
      line(text, fields);
    },
    warn: (fields, text) => line(text, fields),
    error: (fields, text) => line(text, fields),
  };
}

export const connectedText = 'connected to a node';

/** Without what the line says already: an alarm has its text among its fields too. */
function detailOf(fields: object, text: string): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== text)
    .map(([name, value]) => `${name}=${textOf(value)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    // Not by its class: in Jest, Node's own modules have another `Error`.
    const isError = Object.prototype.toString.call(value) === '[object Error]';
    if (!isError) return JSON.stringify(value) ?? typeof value;
  } catch {
    // Below.
  }
  return thrownText(value);
}
