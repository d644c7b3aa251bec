/** What `VerdictModule` takes. */
import type {
  InjectionToken,
  ModuleMetadata,
  OptionalFactoryDependency,
  Type,
} from '@nestjs/common';
import type { ConnectOptions } from '../client/client.ts';
import type { ServeBaseOptions } from '../participant/options.ts';

/** What holds for all classes with `@Participant` of a connection that do not say otherwise. */
export interface ParticipantDefaults
  extends Pick<
    ServeBaseOptions,
    | 'adoptCluster'
    | 'decisionLog'
    | 'encryption'
    | 'jwt'
    | 'metrics'
    | 'onAlarm'
    | 'onFatal'
    | 'options'
    | 'readyTimeoutMs'
    | 'tls'
    | 'token'
  > {
  /** Each participant keeps its journal in a directory of its name below this one. */
  readonly dataDirectory?: string;
}

/** A connection to a cluster: all that `connect` takes, and what the application does with it. */
export interface VerdictModuleOptions extends ConnectOptions {
  /**
   * What happens where no node answers within `timeoutMs` (5 s), or refuses. `fail`: the
   * application does not start. `start`: it does, with a warning; calls wait for a node, each
   * within its own time-out. Default `fail`.
   */
  readonly whenUnreachable?: 'fail' | 'start';
  /** Of classes with `@Participant`. `false`: this application serves none of them. */
  readonly participants?: ParticipantDefaults | false;
  /**
   * At the application's end, how long methods with `@Transactional` may go on before its
   * participants take no new branch. Default 5,000.
   */
  readonly drainTimeoutMs?: number;
  /** How long each participant's work may go on after that. Default 10,000. */
  readonly closeTimeoutMs?: number;
}

/** What every way to make the module takes. */
export interface VerdictModuleExtras {
  /** Names the connection, where an application has several. Default `default`. */
  readonly connection?: string;
  /** No other module need import it. Default false. */
  readonly isGlobal?: boolean;
}

/** A class that makes the options, for `useClass` and `useExisting`. */
export interface VerdictOptionsFactory {
  /** Called once, when the application starts. */
  createVerdictOptions(): VerdictModuleOptions | Promise<VerdictModuleOptions>;
}

/** Options that are made when the application starts: one of the three ways. */
export interface VerdictAsyncOptions extends VerdictModuleExtras {
  /** Modules that export what is injected. */
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
  /** What `useFactory` is called with. */
  readonly inject?: readonly (InjectionToken | OptionalFactoryDependency)[];
  /** Makes the options. */
  readonly useFactory?: (
    ...injected: never[]
  ) => VerdictModuleOptions | Promise<VerdictModuleOptions>;
  /** A class that makes them; the module makes the class. */
  readonly useClass?: Type<VerdictOptionsFactory>;
  /** The same, where the class is a provider already. */
  readonly useExisting?: InjectionToken;
}
