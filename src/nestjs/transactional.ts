/**
 * `@Transactional()`: a method that runs in a transaction, as `withTransaction` does it.
 *
 * The client comes by Nest's own property injection: the decorator asks for it as `@Inject` on a
 * property would, under a symbol. So each application has its own, providers of every scope get it,
 * and a module that does not see the connection fails at the start. Classes below inherit it, as
 * they inherit every property that is injected. What Nest did not make (`useFactory`, `new`) is
 * given it by `bindVerdict`.
 */
import { Inject } from '@nestjs/common';
import type { Client } from '../client/client.ts';
import { type WithTransactionOptions, withTransaction } from '../client/with-transaction.ts';
import { checkFields, notDeferred, shown } from '../core/fields.ts';
import { inFlightOf } from '../http/in-flight.ts';
import { TransactionAbortedError } from './aborted-error.ts';
import { copyMetadata, metadata } from './metadata.ts';
import { defaultConnection, getVerdictToken } from './tokens.ts';

/** What `@Transactional` takes: all that `withTransaction` does, and whose client it is. */
export interface TransactionalOptions extends WithTransactionOptions {
  /** Of which connection, where the application has several. Default `default`. */
  readonly connection?: string;
}

/** What can be decorated. */
type AsyncMethod = (...args: never[]) => Promise<unknown>;

/** As TypeScript with `experimentalDecorators`, SWC and esbuild call it. */
export type TransactionalDecorator = <Method extends AsyncMethod>(
  target: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/**
 * Runs the method in a transaction: in the one in force, else in one that it begins and commits
 * when the method has resolved. What the method throws rolls it back and is thrown again. Code that
 * it calls finds the transaction with `currentTransaction` of `verdict/client`.
 *
 * An abort that can pass has the method called again, so it should change nothing outside of the
 * transaction. The last abort throws a `TransactionAbortedError`, which `VerdictExceptionFilter`
 * makes a response of. In a method that joined one, the outermost method throws it.
 *
 * ```ts
 * class Orders {
 *   @Transactional()
 *   async place(order: Order): Promise<void> {
 *     await currentTransaction().enlist(inventory.branch({ sku: order.sku, quantity: 1 }));
 *   }
 * }
 * ```
 */
export function Transactional(options: TransactionalOptions = {}): TransactionalDecorator {
  checkFields(options, { connection: 'text', ...anyRunField }, "Transactional's options");
  const { connection = defaultConnection, ...runOptions } = options;
  return (target, name, descriptor) => {
    checkPlace(target, name, descriptor);
    injectClient(target, connection);
    const method = descriptor.value as unknown as (...args: unknown[]) => Promise<unknown>;
    const who = `@Transactional: ${String(name)}`;
    const transactional = function (this: object, ...args: unknown[]): Promise<unknown> {
      const client = clientOf(this, connection, name);
      return inFlightOf(client).tracked(
        resultOf(client, runOptions, async () => notDeferred(await method.apply(this, args), who)),
      );
    };
    Object.defineProperties(transactional, {
      name: { value: method.name, configurable: true },
      length: { value: method.length, configurable: true },
    });
    copyMetadata(method, transactional);
    descriptor.value = transactional as never;
  };
}

/**
 * Gives an object with `@Transactional` methods its client, where Nest did not make the object: in
 * a `useFactory`, or by `new` in a test. Returns the object.
 *
 * ```ts
 * { provide: Orders, inject: [getVerdictToken()],
 *   useFactory: (client) => bindVerdict(new Orders(), client) }
 * ```
 */
export function bindVerdict<Instance extends object>(
  instance: Instance,
  client: Client,
  connection: string = defaultConnection,
): Instance {
  Object.defineProperty(instance, clientKey(connection), {
    value: client,
    writable: true,
    configurable: true,
  });
  return instance;
}

/** `withTransaction` checks them. */
const anyRunField = {
  timeoutMs: 'any',
  signal: 'any',
  maxAttempts: 'any',
  retryDelayMs: 'any',
  maxRetryDelayMs: 'any',
  answer: 'any',
  transaction: 'any',
  propagation: 'any',
} as const;

async function resultOf<Value>(
  client: Client,
  options: WithTransactionOptions,
  work: () => Promise<Value>,
): Promise<Value> {
  const result = await withTransaction<Value>(client, options, work);
  if (result.outcome === 'aborted') throw new TransactionAbortedError(result);
  return result.value;
}

/** One symbol for each connection, the same in two copies of this package. */
function clientKey(connection: string): symbol {
  return Symbol.for(`verdict.nestjs.client:${connection}`);
}

const injected = Symbol.for('verdict.nestjs.injected');

function injectClient(target: object, connection: string): void {
  const key = clientKey(connection);
  const owner = target.constructor;
  const keys = (metadata.getMetadata(injected, owner) ?? []) as readonly symbol[];
  if (keys.includes(key)) return;
  metadata.defineMetadata(injected, [...keys, key], owner);
  Inject(getVerdictToken(connection))(target, key);
}

function clientOf(instance: object, connection: string, name: string | symbol): Client {
  const client = (instance as Record<symbol, Client | undefined> | undefined)?.[
    clientKey(connection)
  ];
  if (client !== undefined) return client;
  if (instance === undefined) {
    throw new TypeError(
      `@Transactional: ${String(name)} was called without its object. Call it as a method, or bind it.`,
    );
  }
  throw new TypeError(
    `@Transactional: ${instance.constructor.name}.${String(name)} has no client. Nest injects it where Nest makes the object. With useFactory, or new in a test, give it one: bindVerdict(new ${instance.constructor.name}(...), client).`,
  );
}

function checkPlace(
  target: object,
  name: unknown,
  descriptor: { readonly value?: unknown } | undefined,
): void {
  if (typeof name === 'object' && name !== null && 'kind' in name) {
    throw new TypeError(
      '@Transactional is a decorator as NestJS has them: set experimentalDecorators in tsconfig.json.',
    );
  }
  if (typeof target === 'function') {
    throw new TypeError(
      `@Transactional: ${target.name}.${String(name)} is static. Put it on a method of an object: Nest injects the client there.`,
    );
  }
  if (typeof descriptor?.value === 'function') return;
  throw new TypeError(`@Transactional belongs on a method, and ${shown(name)} is none.`);
}
