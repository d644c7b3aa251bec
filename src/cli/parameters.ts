/** Arguments -> checked values. An InvalidArgumentError ends the command as wrong usage. */
import { hostname } from 'node:os';
import { InvalidArgumentError } from 'commander';
import {
  type CoordinatorOptionName,
  type CoordinatorOptions,
  coordinatorOptions,
} from '../core/coordinator-options.ts';
import { type TransactionState, transactionStates } from '../core/messages/common.ts';
import { fitsBytes, isName, nameText } from '../core/names.ts';
import { day, minute } from '../core/options.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { assertShards, etcdEndpoints, etcdParts } from '../decision-log/etcd/endpoints.ts';
import { nodeUrl } from '../peer/url.ts';
import { defaultPort } from '../wire/address.ts';
import { maxNameBytes, maxReasonBytes } from '../wire/limits.ts';
import { usageError } from './command-error.ts';

/** As many as a node lists at most. */
export const maxListLimit = 1_000;

export const defaultUrl: string = `127.0.0.1:${defaultPort}`;

export function wholeNumber(bounds: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    throw new InvalidArgumentError(`Write a whole number from ${bounds.min} to ${bounds.max}.`);
  };
}

/** `host:port,host:port`, as they will be dialled. */
export function urlList(text: string): readonly string[] {
  const urls = text.split(',').map((url) => url.trim());
  for (const url of urls) checked(() => nodeUrl(url));
  return urls;
}

/**
 * Addresses of one etcd, with commas between; or ranges of shards with theirs, each an option of
 * its own or with semicolons between. Ranges are checked as a whole by `etcdMap`.
 */
export function etcdUrls(text: string, before: readonly string[] = []): readonly string[] {
  const texts = text.split(';').filter((part) => part.trim() !== '');
  // Beside ranges an address without one is kept, so that it is refused and not left out.
  if ([...before, ...texts].some((part) => /^[^:/]*=/.test(part.trim()))) {
    return [...before, ...texts.map((part) => part.trim())];
  }
  // A plain list given again replaces the one before, as other options do.
  return checked(() => etcdEndpoints(text.split(',').filter((part) => part.trim() !== '')));
}

/** What only all of them together can be wrong in. */
export function checkEtcdMap(etcd: readonly string[] | undefined, shards?: number): void {
  if (etcd === undefined) return;
  try {
    const parts = etcdParts(etcd);
    if (parts !== null) assertShards(shards, parts);
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

/** What another part of the program says against it is what is wrong with the argument. */
function checked<T>(check: () => T, end = ''): T {
  try {
    return check();
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}${end}`);
  }
}

export function oneUrl(text: string): string {
  if (text.includes(',')) throw new InvalidArgumentError('Write one address.');
  return urlList(text)[0] as string;
}

export function txidArgument(text: string): Txid {
  if (isTxid(text)) return text;
  throw new InvalidArgumentError(
    'A txid has four parts with dots between, as `submit` and `tx list` print it.',
  );
}

export function reasonArgument(text: string): string {
  if (fitsBytes(text, maxReasonBytes)) return text;
  throw new InvalidArgumentError(`Write at most ${maxReasonBytes} bytes.`);
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: minute, h: 60 * minute };

/** `90s`, `10m`, `1h` or `500ms`; at most a day. */
export function durationArgument(text: string): number {
  const [, count = '', unit = ''] = /^([0-9]{1,8})(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(count) * (unitsMs[unit] ?? Number.NaN);
  if (ms >= 1 && ms <= day) return ms;
  throw new InvalidArgumentError(
    'Write a number and a unit, such as 90s, 10m or 1h; a day at most.',
  );
}

export function stateArgument(text: string): TransactionState {
  const state = transactionStates.find((each) => each === text.toUpperCase());
  if (state !== undefined) return state;
  throw new InvalidArgumentError(`The states are ${transactionStates.join(', ')}.`);
}

export function nameArgument(text: string): string {
  if (isName(text, maxNameBytes)) return text;
  throw new InvalidArgumentError(`Write ${nameText(maxNameBytes)}.`);
}

/** A host without a port, or `*.example` for any one label before it; collects them. */
export function consoleHost(text: string, before: readonly string[] = []): readonly string[] {
  if (/^(?:\*\.)?[a-z\d_](?:[\w.-]{0,251}[a-z\d_])?$/i.test(text)) return [...before, text];
  throw new InvalidArgumentError(
    'Write the name of a host without a port, such as verdict.example, or *.example.',
  );
}

/** `HOST:PORT`, `[::1]:7070`, or one of the two alone. */
export function listenAddress(text: string): { readonly host: string; readonly port: number } {
  if (/^[0-9]+$/.test(text)) return { host: '127.0.0.1', port: portNumber(text) };
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]/\s]+))(?::([0-9]+))?$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) {
    throw new InvalidArgumentError(
      'Write HOST:PORT, such as 127.0.0.1:7070, [::1]:7070 or 0.0.0.0:7070.',
    );
  }
  return { host, port: match[3] === undefined ? defaultPort : portNumber(match[3]) };
}

/** Without a port it would be the node's own. */
export function metricsAddress(text: string): { readonly host: string; readonly port: number } {
  if (/^[0-9]+$/.test(text) || /:[0-9]+$/.test(text)) return listenAddress(text);
  throw new InvalidArgumentError('Write PORT or HOST:PORT, such as 9464 or 0.0.0.0:9464.');
}

function portNumber(text: string): number {
  const port = Number(text);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError('As the port, write a whole number from 0 to 65535.');
}

/** One `name=value`; collects them. */
export function nodeOption(
  text: string,
  before: Partial<CoordinatorOptions>,
): Partial<CoordinatorOptions> {
  const match = /^([a-zA-Z]+)=([0-9][0-9_]*)$/.exec(text);
  if (match === null) {
    throw new InvalidArgumentError(
      'Write name=value with a whole number, such as transactionTimeoutMs=5000.',
    );
  }
  const [, name = '', digits = ''] = match;
  const options = {
    ...before,
    [name as CoordinatorOptionName]: Number(digits.replaceAll('_', '')),
  };
  checked(() => coordinatorOptions(options), '.');
  return options;
}

export function hostName(): string {
  return hostname() || 'node';
}
