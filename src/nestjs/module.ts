/** `VerdictModule`: Verdict's client and participants in the life of a NestJS application. */
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import type { Client } from '../client/client.ts';
import { checkFields } from '../core/fields.ts';
import { Connection, makeClient } from './connection.ts';
import { VerdictHealthIndicator } from './health.ts';
import type {
  VerdictAsyncOptions,
  VerdictModuleExtras,
  VerdictModuleOptions,
  VerdictOptionsFactory,
} from './options.ts';
import {
  connectionToken,
  defaultConnection,
  getVerdictHealthToken,
  getVerdictToken,
  optionsToken,
} from './tokens.ts';

/**
 * Connects a client when the application starts, serves its classes with `@Participant` when it is
 * ready, and at its end stops both in the right order. Import it once, in the root module.
 *
 * ```ts
 * @Module({
 *   imports: [VerdictModule.forRoot({ isGlobal: true, urls: ['127.0.0.1:7070'], name: 'shop' })],
 * })
 * class AppModule {}
 * ```
 */
// biome-ignore lint/complexity/noStaticOnlyClass: what Nest takes for a module is a class.
export class VerdictModule {
  /** With options that are known when the class is read. */
  static forRoot(options: VerdictModuleOptions & VerdictModuleExtras): DynamicModule {
    const { connection, isGlobal, ...given } = options ?? {};
    return moduleOf({ connection, isGlobal }, [], (token) => [{ provide: token, useValue: given }]);
  }

  /** With options that are made when the application starts, from its configuration say. */
  static forRootAsync(options: VerdictAsyncOptions): DynamicModule {
    checkFields(options, asyncFields, "forRootAsync's options");
    const { imports = [], inject = [], useFactory, useClass, useExisting } = options ?? {};
    const ways = [useFactory, useClass, useExisting].filter((way) => way !== undefined);
    if (ways.length !== 1) {
      throw new TypeError(
        'VerdictModule.forRootAsync takes one of useFactory, useClass and useExisting.',
      );
    }
    return moduleOf(options, imports, (token) => {
      if (useFactory !== undefined) return [{ provide: token, inject: [...inject], useFactory }];
      const factory = useExisting ?? useClass ?? '';
      const made: Provider = {
        provide: token,
        inject: [factory],
        useFactory: (by: VerdictOptionsFactory) => by.createVerdictOptions(),
      };
      return useClass === undefined ? [made] : [useClass, made];
    });
  }
}

Module({})(VerdictModule);

const asyncFields = {
  connection: 'text',
  isGlobal: 'flag',
  imports: 'any',
  inject: 'any',
  useFactory: 'method',
  useClass: 'any',
  useExisting: 'any',
} as const;

function moduleOf(
  {
    connection: name = defaultConnection,
    isGlobal = false,
  }: {
    readonly connection?: string | undefined;
    readonly isGlobal?: boolean | undefined;
  },
  imports: NonNullable<VerdictAsyncOptions['imports']>,
  options: (token: string) => Provider[],
): DynamicModule {
  const health = getVerdictHealthToken(name);
  const isDefault = name === defaultConnection;
  return {
    module: VerdictModule,
    global: isGlobal,
    imports: [...imports, DiscoveryModule],
    providers: [
      ...options(optionsToken(name)),
      { provide: getVerdictToken(name), inject: [optionsToken(name)], useFactory: makeClient },
      {
        provide: connectionToken(name),
        inject: [getVerdictToken(name), optionsToken(name), DiscoveryService],
        useFactory: (
          client: Client,
          given: VerdictModuleOptions,
          discovery: DiscoveryService,
        ): Connection => new Connection({ name, client, options: given, discovery }),
      },
      {
        provide: health,
        inject: [connectionToken(name)],
        useFactory: (connection: Connection) => new VerdictHealthIndicator(connection),
      },
      ...(isDefault ? [{ provide: VerdictHealthIndicator, useExisting: health }] : []),
    ],
    exports: [getVerdictToken(name), health, ...(isDefault ? [VerdictHealthIndicator] : [])],
  };
}
