/**
 * One connection's way through the application's life:
 *
 *     module init: the client connects -> application ready: participants are served
 *     -> end: transactions end, participants stop -> requests end -> the client closes
 */
import type { DiscoveryService } from '@nestjs/core';
import { type Client, prepareClient } from '../client/client.ts';
import { thrownText } from '../core/thrown.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import { systemClock } from '../system/clock.ts';
import { idle } from './idle.ts';
import { nestLogger } from './logger.ts';
import type { VerdictModuleOptions } from './options.ts';
import { checkNames, participantsIn, ServedProviders } from './serve-providers.ts';

/** What this made, until it is opened. Another client under the token is a test's. */
const opens = new WeakMap<Client, () => Promise<void>>();

export async function makeClient(options: VerdictModuleOptions): Promise<Client> {
  const {
    whenUnreachable: _,
    participants: _p,
    drainTimeoutMs: _d,
    closeTimeoutMs: _c,
    ...given
  } = options;
  const { client, open } = await prepareClient(given);
  opens.set(client, open);
  return client;
}

export class Connection {
  readonly name: string;
  readonly client: Client;
  readonly served: ServedProviders;
  readonly #options: VerdictModuleOptions;
  readonly #discovery: DiscoveryService;
  #isEnding = false;

  constructor(given: {
    readonly name: string;
    readonly client: Client;
    readonly options: VerdictModuleOptions;
    readonly discovery: DiscoveryService;
  }) {
    const { name, client, options, discovery } = given;
    this.name = name;
    this.client = client;
    this.#options = options;
    this.#discovery = discovery;
    const { drainTimeoutMs = 5_000 } = options;
    this.served = new ServedProviders(options, () => idle(client, systemClock, drainTimeoutMs));
  }

  /** From the first hook of the application's end, whichever provider has it. */
  get isEnding(): boolean {
    return this.#isEnding || this.served.isStopping;
  }

  async onModuleInit(): Promise<void> {
    const open = opens.get(this.client);
    if (open === undefined) return;
    const { urls, whenUnreachable = 'fail' } = this.#options;
    const logger = nestLogger('VerdictModule');
    try {
      await open();
      logger.info({}, `${this.name}: connected to a node`);
    } catch (error) {
      const where = `VerdictModule (connection '${this.name}'): no node of ${urls.join(', ')} could be used`;
      const why = thrownText(error);
      if (whenUnreachable === 'start' && isVerdictError(error)) {
        logger.warn({ code: error.code }, `${where} yet, and it is tried on: ${why}`);
        return;
      }
      await this.client.close();
      throw new Error(
        `${where}: ${why} Start a node ("npx verdict dev"), or let the application start without: whenUnreachable: 'start'.`,
        { cause: error },
      );
    }
  }

  /** An application that fails to start may never be closed: nothing keeps its process alive. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.#serve();
    } catch (error) {
      await this.onApplicationShutdown();
      throw error;
    }
  }

  async #serve(): Promise<void> {
    const found = participantsIn(this.#discovery);
    this.#checkConnections(found.map(({ settings }) => settings.connection));
    // Behind a client of the test's there is no cluster to serve to.
    if (this.#options.participants === false || !opens.has(this.client)) return;
    const mine = found.filter(({ settings }) => settings.connection === this.name);
    checkNames(mine);
    await this.served.start(mine);
  }

  /** What did not stop in a hook of its own. */
  async onModuleDestroy(): Promise<void> {
    this.#isEnding = true;
    await this.served.stop();
  }

  /** Requests have ended by now. */
  async onApplicationShutdown(): Promise<void> {
    if (opens.has(this.client)) await this.client.close();
  }

  #checkConnections(wanted: readonly string[]): void {
    const names: string[] = [];
    for (const { instance } of this.#discovery.getProviders()) {
      if (instance instanceof Connection) names.push(instance.name);
    }
    if (names.filter((name) => name === this.name).length > 1) {
      throw new TypeError(
        `VerdictModule is there twice for connection '${this.name}'. Call forRoot once, in the root module with isGlobal: true; or keep what it returns, and import that in each module.`,
      );
    }
    const unknown = wanted.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new TypeError(
        `@Participant names the connection '${unknown}', and VerdictModule makes ${names.join(', ')}.`,
      );
    }
  }
}
