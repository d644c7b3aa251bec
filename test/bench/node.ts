/**
 * The product's node for the bench: as `verdict serve` runs it, on a free port, which it prints.
 * Run: node.ts DIRECTORY
 */
import { mkdir } from 'node:fs/promises';
import { coordinatorOptions } from '../../src/core/coordinator-options.ts';
import { openEmbeddedLog } from '../../src/decision-log/embedded/log.ts';
import { createLogger } from '../../src/node/logging.ts';
import { CoordinatorNode } from '../../src/node/node.ts';
import { everyone } from '../../src/ports/access.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemRandom } from '../../src/system/random.ts';
import { webSocketAcceptor } from '../../src/transport/websocket/listen.ts';

const directory = process.argv[2] ?? '';
await mkdir(directory, { recursive: true });
const fatal = (error: unknown): never => {
  console.error(error);
  process.exit(70);
};
const options = coordinatorOptions();
const node = new CoordinatorNode({
  node: 'bench',
  advertise: null,
  version: '0.0.0',
  log: await openEmbeddedLog({
    directory,
    node: 'bench',
    url: 'ws://127.0.0.1',
    clock: systemClock,
    onFatal: fatal,
  }),
  acceptor: webSocketAcceptor({ ...options, clock: systemClock, port: 0 }),
  dialer: null,
  clock: systemClock,
  random: systemRandom,
  logger: await createLogger({ level: 'warn', format: 'json', node: 'bench' }),
  debug: false,
  options,
  access: everyone,
  onFatal: fatal,
});
const listener = await node.start();
await node.whenReady();
console.log(listener.port);
process.on('disconnect', () => process.exit(0));
