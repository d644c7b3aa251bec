/** `@Participant`: a provider that takes part in transactions. */
import { SetMetadata } from '@nestjs/common';
import { checkFields } from '../core/fields.ts';
import { thrownText } from '../core/thrown.ts';
import type { ServeBaseOptions } from '../participant/options.ts';
import type { ReadyWork } from '../participant/ready.ts';
import type { ParticipantHandle } from '../participant/serve.ts';
import { checkName } from '../peer/checked.ts';
import type { ParticipantContract } from '../peer/contract.ts';
import type { Resource } from '../ports/resource.ts';
import type { StandardSchema } from '../ports/schema.ts';
import { metadata } from './metadata.ts';
import { defaultConnection } from './tokens.ts';

/** What `@Participant` takes: a name or a contract, and what `serveParticipant` takes. */
export type ParticipantSettings<Payload = unknown, Returned = unknown> = Omit<
  ServeBaseOptions,
  'name' | 'urls' | 'ready' | 'journal' | 'reached' | 'dialer' | 'clock' | 'random'
> & {
  /** Of which connection, where the application has several. Default `default`. */
  readonly connection?: string;
} & (
    | {
        /** What branches call it. */
        readonly name: string;
        /** As of `serveParticipant`. */
        readonly payload?: StandardSchema<Payload, unknown>;
        /** As of `serveParticipant`. */
        readonly result?: StandardSchema<unknown, Returned>;
      }
    | {
        /** Made by `defineParticipant`: gives name, payload and result. */
        readonly contract: {
          readonly name: string;
          readonly payload: StandardSchema<Payload, unknown>;
          readonly result?: StandardSchema<unknown, Returned>;
        };
      }
  );

/** What a class with `@Participant` has. */
export type ServedProvider<Payload = unknown, Returned = unknown> = (
  | Resource<Payload, Returned>
  | {
      /**
       * In place of prepare, commit and rollback: one of a database, say. It is closed behind the
       * participant, where it has a `close`.
       */
      readonly resource:
        | Resource<Payload, Returned>
        | Promise<Resource<Payload, Returned>>
        | (() => Resource<Payload, Returned> | Promise<Resource<Payload, Returned>>);
    }
) & {
  /** As of `serveParticipant`: migrations and seeds, before the first prepare. */
  ready?: ReadyWork;
  /** Settings that are known only when the application runs. They go before the decorator's. */
  participantOptions?(): Partial<ServeBaseOptions> | Promise<Partial<ServeBaseOptions>>;
};

/** The decorator that `Participant` makes. */
export type ParticipantDecorator<Payload, Returned> = (
  target: abstract new (...args: never[]) => ServedProvider<Payload, Returned>,
) => void;

/**
 * Serves a provider as a participant, from when the application is ready to its end. The class has
 * prepare, commit and rollback, or a `resource`; what is injected into it works in all of them. It
 * is one object in the application: a class with a scope of its own is refused.
 *
 * ```ts
 * @Injectable()
 * @Participant({ contract: inventory, dataDirectory: './data/inventory' })
 * class Inventory {
 *   constructor(private readonly stock: Stock) {}
 *   async prepare({ txid, payload }: PrepareCall<{ sku: string }>) {
 *     return (await this.stock.hold(txid, payload.sku)) ? vote.commit() : vote.abort('None left.');
 *   }
 *   async commit({ txid }: BranchRef) { await this.stock.take(txid); }
 *   async rollback({ txid }: BranchRef) { await this.stock.release(txid); }
 * }
 * ```
 */
export function Participant<Payload = unknown, Returned = unknown>(
  settings: ParticipantSettings<Payload, Returned>,
): ParticipantDecorator<Payload, Returned> {
  return (target) => {
    SetMetadata(settingsKey, checked(settings, target.name))(target);
  };
}

/** Settings as they are kept: a contract is taken apart. */
export interface KeptSettings extends Partial<Omit<ServeBaseOptions, 'name'>> {
  readonly name: string;
  readonly connection: string;
  readonly payload?: StandardSchema<unknown, unknown>;
  readonly result?: StandardSchema<unknown, unknown>;
}

const settingsKey = 'verdict:participant';

export function settingsOf(target: unknown): KeptSettings | undefined {
  return typeof target === 'function'
    ? (metadata.getMetadata(settingsKey, target) as KeptSettings | undefined)
    : undefined;
}

/** What is wrong in form is told where the class is read, with its name. */
function checked(settings: unknown, className: string): KeptSettings {
  try {
    checkFields(settings, settingFields, "Participant's settings");
    const {
      contract,
      connection = defaultConnection,
      ...own
    } = (settings ?? {}) as KeptSettings & {
      readonly contract?: Omit<ParticipantContract<string, unknown>, 'branch'>;
    };
    if ((contract === undefined) === (own.name === undefined)) {
      throw new TypeError('Participant takes a name, or a contract that defineParticipant made.');
    }
    const { name, payload, result } = contract ?? own;
    checkName(name, 'name');
    return {
      ...own,
      connection,
      name,
      ...(payload === undefined ? {} : { payload }),
      ...(result === undefined ? {} : { result }),
    };
  } catch (error) {
    throw ofClass(className, error);
  }
}

const settingFields = {
  name: 'any',
  contract: 'object',
  connection: 'text',
  payload: 'schema',
  result: 'schema',
  dataDirectory: 'text',
  sharedResource: 'any',
  encryption: 'object',
  token: 'any',
  jwt: 'any',
  tls: 'any',
  adoptCluster: 'object',
  decisionLog: 'object',
  readyTimeoutMs: 'any',
  options: 'object',
  logger: 'any',
  onAlarm: 'method',
  metrics: 'any',
  onFatal: 'method',
} as const;

/** The same error, with the class that it is about. */
export function ofClass(className: string, error: unknown): Error {
  const message = `@Participant on class ${className}: ${thrownText(error)}`;
  return error instanceof TypeError
    ? new TypeError(message, { cause: error })
    : new Error(message, { cause: error });
}

const handles = new WeakMap<object, ParticipantHandle>();

export function keepHandle(instance: object, handle: ParticipantHandle | null): void {
  if (handle === null) handles.delete(instance);
  else handles.set(instance, handle);
}

/**
 * The handle of a provider with `@Participant`: to enlist, or to see what is in doubt. Throws a
 * TypeError before the application is ready and after it was closed.
 *
 * ```ts
 * await participantHandle(this).enlist(txid);
 * ```
 */
export function participantHandle(provider: object): ParticipantHandle {
  const handle = handles.get(provider);
  if (handle !== undefined) return handle;
  throw new TypeError(
    `${provider.constructor.name} is not served: it has no @Participant, or the application is not ready yet, or was closed.`,
  );
}
