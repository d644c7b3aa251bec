/** How an application with `VerdictModule` starts, and what it says where it cannot. */
import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Injectable,
  type LoggerService,
  Module,
  type ModuleMetadata,
  Scope,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { type Client, currentTransaction } from '../../../src/client.ts';
import {
  getVerdictHealthToken,
  getVerdictToken,
  InjectVerdict,
  Participant,
  participantHandle,
  Transactional,
  transactionalPassThrough,
  VerdictHealthIndicator,
  VerdictModule,
  type VerdictModuleOptions,
  type VerdictOptionsFactory,
} from '../../../src/nestjs.ts';
import { vote } from '../../../src/participant.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../../support/nodes/node-process.ts';

const directory = temporaryDirectory();
const token = 'a-token-for-this-test';
let node: NodeProcess;
const modules: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  const tokenFile = join(directory.path, 'token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  node = await NodeProcess.started({
    data: join(directory.path, 'node'),
    options: quickOptions,
    tokenFile,
  });
});
afterEach(async () => {
  for (const module of modules.splice(0)) await module.close();
});
afterAll(async () => {
  await node.stop();
  directory.remove();
});

class Lines implements LoggerService {
  readonly lines: string[] = [];
  log = (message: unknown, context: unknown) => this.#keep('log', message, context);
  warn = (message: unknown, context: unknown) => this.#keep('warn', message, context);
  error = (message: unknown, ...more: unknown[]) => this.#keep('error', message, more.at(-1));
  debug = (): void => undefined;
  #keep(level: string, message: unknown, context: unknown): void {
    this.lines.push(`${level} [${String(context)}] ${String(message)}`);
  }
}

function options(more: Partial<VerdictModuleOptions> = {}): VerdictModuleOptions {
  return {
    urls: [node.url],
    token,
    participants: { dataDirectory: join(directory.path, 'journals') },
    ...more,
  };
}

async function started(metadata: ModuleMetadata, logger = new Lines()) {
  const module = await Test.createTestingModule(metadata).setLogger(logger).compile();
  await module.init();
  // NestJS 11 refuses to close what failed to start.
  modules.push(module);
  return module;
}

const root = (more: Partial<VerdictModuleOptions> = {}) =>
  VerdictModule.forRoot({ ...options(more), isGlobal: true });

/** A participant that does nothing, under this name. */
function participant(name: string, more: object = {}): Type {
  @Injectable()
  @Participant({ name, ...more })
  class Served {
    prepare() {
      return vote.commit();
    }
    commit(): void {}
    rollback(): void {}
  }
  return Served;
}

describe('the client', () => {
  it('is connected when other modules are initialized, and injected by name', async () => {
    @Injectable()
    class Uses {
      state: string | null = null;
      constructor(
        @InjectVerdict() readonly client: Client,
        @InjectVerdict('archive') readonly archive: Client,
      ) {}
      async onModuleInit(): Promise<void> {
        await using tx = await this.client.begin();
        this.state = (await this.client.status(tx.txid)).state;
      }
    }
    @Module({ providers: [Uses] })
    class Feature {}
    const archive = VerdictModule.forRoot({
      ...options({ name: 'archive' }),
      connection: 'archive',
      isGlobal: true,
    });
    const module = await started({ imports: [Feature, root(), archive] });
    const uses = module.get(Uses, { strict: false });
    expect(uses.state).toBe('PENDING');
    expect(uses.client).not.toBe(uses.archive);
    await uses.archive.ready();
    const health = module.get<VerdictHealthIndicator>(getVerdictHealthToken('archive'), {
      strict: false,
    });
    expect(await health.isHealthy('archive')).toEqual({ archive: { status: 'up' } });
    expect(module.get(VerdictHealthIndicator, { strict: false })).not.toBe(health);
  });

  it('is made of options that a factory, or a class, gives when the application starts', async () => {
    @Injectable()
    class Config implements VerdictOptionsFactory {
      createVerdictOptions(): VerdictModuleOptions {
        return options();
      }
    }
    @Module({ providers: [Config], exports: [Config] })
    class ConfigModule {}
    const ways = [
      {
        inject: [Config],
        useFactory: async (config: Config) => config.createVerdictOptions(),
      },
      { useExisting: Config },
      { useClass: Config },
    ];
    for (const way of ways) {
      const module = await started({
        imports: [VerdictModule.forRootAsync({ imports: [ConfigModule], ...way })],
      });
      await module.get<Client>(getVerdictToken(), { strict: false }).ready();
    }
    expect(() => VerdictModule.forRootAsync({})).toThrow('one of useFactory, useClass');
  });

  it('fails the start where no node answers, or the node refuses, and says what to do', async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const none = started({ imports: [root({ urls: [url], timeoutMs: 300 })] });
    await expect(none).rejects.toThrow(
      new RegExp(`connection 'default'\\): no node of ${url} could be used.*npx verdict dev`),
    );
    const refused = started({ imports: [root({ token: 'another' })] });
    await expect(refused).rejects.toThrow(/could be used/);
  });

  it("starts without a node with whenUnreachable: 'start', and works when one comes", async () => {
    const late = await NodeProcess.make({
      data: join(directory.path, 'late'),
      options: quickOptions,
    });
    const logger = new Lines();
    const module = await started(
      {
        imports: [
          VerdictModule.forRoot({ urls: [late.url], timeoutMs: 200, whenUnreachable: 'start' }),
        ],
      },
      logger,
    );
    expect(logger.lines.join('\n')).toMatch(/^warn \[VerdictModule\] .*it is tried on/m);
    const health = module.get(VerdictHealthIndicator, { strict: false });
    expect(await health.isHealthy('v', { timeoutMs: 50 })).toMatchObject({
      v: { status: 'down', message: expect.stringContaining('no leader') },
    });
    expect(await late.start()).toBe(true);
    const client = module.get<Client>(getVerdictToken(), { strict: false });
    await client.ready({ timeoutMs: 20_000 });
    expect(await health.isHealthy('v')).toEqual({ v: { status: 'up' } });
    await module.close();
    await late.stop();
  });

  it('is the one of a test where it is overridden: nothing is connected, nothing served', async () => {
    const fake = transactionalPassThrough();
    const Served = participant('overridden');
    const module = await Test.createTestingModule({
      imports: [root({ urls: [`127.0.0.1:${await freePort()}`] })],
      providers: [Served],
    })
      .overrideProvider(getVerdictToken())
      .useValue(fake.client)
      .setLogger(new Lines())
      .compile();
    modules.push(module);
    await module.init();
    expect(module.get(getVerdictToken(), { strict: false })).toBe(fake.client);
    expect(() => participantHandle(module.get(Served))).toThrow('is not served');
  });
});

describe('a participant', () => {
  it('logs to the logger of Nest, its alarms too', async () => {
    const logger = new Lines();
    const alarms: string[] = [];
    const onAlarm = ({ alarm }: { alarm: string }) => alarms.push(alarm);
    await started(
      {
        imports: [root()],
        providers: [participant('good'), participant('refused', { token: 'another', onAlarm })],
      },
      logger,
    );
    while (alarms.length === 0) await new Promise((tick) => setTimeout(tick, 10));
    expect(alarms).toContain('refused-by-node');
    expect(logger.lines.join('\n')).toMatch(/^error \[Verdict refused\] .*refused-by-node/m);
  });

  it('of request scope, or with something of request scope injected, is refused', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @Injectable()
    @Participant({ name: 'bubbled' })
    class Bubbled {
      constructor(readonly dependency: PerRequest) {}
      prepare() {
        return vote.commit();
      }
      commit(): void {}
      rollback(): void {}
    }
    const bubbled = started({ imports: [root()], providers: [PerRequest, Bubbled] });
    await expect(bubbled).rejects.toThrow(/class Bubbled: .*default scope/);
    const Served = participant('transient');
    Injectable({ scope: Scope.TRANSIENT })(Served);
    const transient = started({ imports: [root()], providers: [Served] });
    await expect(transient).rejects.toThrow(/class Served: .*default scope/);
  });

  it('that cannot be served fails the start with its class, and holds nothing after it', async () => {
    @Injectable()
    @Participant({ name: 'broken' })
    class Broken {
      async resource(): Promise<never> {
        throw new Error('The database is away.');
      }
    }
    const Good = participant('held');
    @Injectable()
    class Uses {
      static client: Client;
      constructor(@InjectVerdict() client: Client) {
        Uses.client = client;
      }
    }
    const broken = started({ imports: [root()], providers: [Good, Broken, Uses] });
    await expect(broken).rejects.toThrow('class Broken: The database is away.');
    await expect(Uses.client.begin()).rejects.toMatchObject({ code: 'CLOSED' });
    // Its journal is free again.
    await started({ imports: [root()], providers: [Good] });
    const homeless = started({
      imports: [root({ participants: {} })],
      providers: [participant('homeless')],
    });
    await expect(homeless).rejects.toThrow(/class Served: say where its journal is kept/);
  });

  it('has a name and a connection of its own', async () => {
    const twice = started({
      imports: [root()],
      providers: [participant('same'), participant('same')],
    });
    await expect(twice).rejects.toThrow(/class Served: /);
    const unknown = started({
      imports: [root()],
      providers: [participant('lost', { connection: 'elsewhere' })],
    });
    await expect(unknown).rejects.toThrow(
      "the connection 'elsewhere', and VerdictModule makes default",
    );
  });

  it('of a class that takes another’s place by useClass is served under the same settings', async () => {
    const Base = participant('replaced');
    @Injectable()
    class Derived extends Base {}
    const module = await started({
      imports: [root()],
      providers: [
        { provide: Base, useClass: Derived },
        { provide: 'alias', useExisting: Base },
      ],
    });
    expect(participantHandle(module.get(Base)).name).toBe('replaced');
  });

  it('can say settings when the application runs, and migrate before its first prepare', async () => {
    const calls: string[] = [];
    @Injectable()
    @Participant({ name: 'late-settings' })
    class Late {
      participantOptions() {
        calls.push('options');
        return { dataDirectory: join(directory.path, 'late-journal') };
      }
      ready(): void {
        calls.push('ready');
      }
      prepare() {
        return vote.commit();
      }
      commit(): void {}
      rollback(): void {}
    }
    await started({ imports: [root({ participants: {} })], providers: [Late] });
    expect(calls).toEqual(['options', 'ready']);
  });

  it('is served by no application with participants: false', async () => {
    const Served = participant('unserved');
    const module = await started({ imports: [root({ participants: false })], providers: [Served] });
    expect(() => participantHandle(module.get(Served))).toThrow('is not served');
  });
});

it('lets methods under way finish at its end, also where it serves no participant', async () => {
  @Injectable()
  class Jobs {
    readonly begun = Promise.withResolvers<void>();
    readonly gate = Promise.withResolvers<void>();
    @Transactional()
    async run() {
      this.begun.resolve();
      await this.gate.promise;
      return currentTransaction().txid;
    }
  }
  const module = await started({ imports: [root()], providers: [Jobs] });
  const jobs = module.get(Jobs);
  const running = jobs.run();
  await jobs.begun.promise;
  const closing = module.close();
  setTimeout(() => jobs.gate.resolve(), 200);
  expect(await running).toMatch(/^0\./);
  await closing;
});

it('refuses two modules of one connection, and takes one that several modules import', async () => {
  @Module({ imports: [VerdictModule.forRootAsync({ useFactory: () => options() })] })
  class One {}
  @Module({ imports: [VerdictModule.forRootAsync({ useFactory: () => options() })] })
  class Two {}
  await expect(started({ imports: [One, Two] })).rejects.toThrow(
    "twice for connection 'default'. Call forRoot once",
  );
  const shared = VerdictModule.forRoot(options());
  @Module({ imports: [shared] })
  class Three {}
  await started({ imports: [Three, shared] });
});
