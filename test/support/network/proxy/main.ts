/**
 * The fault proxy as a process. Run: main.ts --target HOST:PORT [--listen HOST:PORT] [--bytes], and
 * write commands to its standard input.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { command, commandHelp } from './commands.ts';
import { type Address, FaultProxy } from './proxy.ts';

const usage = `Usage: main.ts --target HOST:PORT [--listen HOST:PORT] [--bytes]
Stands before a node (or, with --bytes, before etcd or anything else that speaks TCP) and disturbs its connections.

${commandHelp}`;

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:0' },
      bytes: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  if (values.target === undefined) throw new Error(`Give --target.\n${usage}`);
  const proxy = await FaultProxy.started({
    target: addressOf(values.target),
    listen: addressOf(values.listen),
    unit: values.bytes ? 'byte' : 'message',
  });
  say({ event: 'listening', address: proxy.address });
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line.trim() === '') return;
    command(proxy, line).then(
      () => say({ event: 'done', command: line.trim(), standing: proxy.standing }),
      (error: Error) => say({ event: 'refused', command: line.trim(), reason: error.message }),
    );
  });
  const stop = (): void => {
    proxy.close();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function addressOf(text: string): Address {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+)):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.['port']);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  if (host === undefined || !(port <= 65_535)) {
    throw new Error(`An address is HOST:PORT, not ${JSON.stringify(text)}.`);
  }
  return { host, port };
}

function say(fields: object): void {
  console.log(JSON.stringify(fields));
}
