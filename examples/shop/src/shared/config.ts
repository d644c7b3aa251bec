/** What a process is told by its environment, checked before anything starts. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { z } from 'zod';

/** For people who start a service without a setting: what `npm start` and compose.yaml have. */
export interface Defaults {
  readonly service: string;
  readonly databaseUrl: string;
  readonly port: number;
}

export interface Config {
  readonly service: string;
  /** Tells the replicas of a service apart. */
  readonly instance: string;
  /** Shown by /health, so that an update can be watched. */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  /** Nodes of the coordinator. */
  readonly verdictUrls: readonly string[];
  /** Of this replica alone. */
  readonly dataDirectory: string;
  /** How long it says that it goes before it takes no more requests. */
  readonly shutdownDelayMs: number;
}

/** For Nest: `@Inject(configToken)`. */
export const configToken = 'config';

/** Throws an Error that names each setting that is wrong. */
export function readConfig(
  { service, databaseUrl, port }: Defaults,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const scheme = new URL(databaseUrl).protocol;
  const settings = z.object({
    DATABASE_URL: z
      .string()
      .refine((text) => isUrlOf(scheme, text), `must be a URL like ${databaseUrl}`)
      .default(databaseUrl),
    VERDICT_URL: z
      .string()
      .regex(/^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/, 'must be host:port, or several with commas')
      .default('127.0.0.1:7070'),
    HOST: z.string().min(1).default('127.0.0.1'),
    PORT: z.coerce.number('must be a port').int().min(0).max(65_535).default(port),
    INSTANCE: z
      .string()
      .regex(/^[\w.-]{1,63}$/, 'must be 1 to 63 letters, digits, dots, hyphens or underscores')
      .default(hostname()),
    DATA_DIRECTORY: z.string().min(1).default('data'),
    VERSION: z.string().min(1).default('dev'),
    SHUTDOWN_DELAY_MS: z.coerce.number('must be milliseconds').int().min(0).default(1_000),
  });
  // An empty setting is none: compose and Kubernetes pass them on so.
  const set = Object.entries(env).filter(([, value]) => value !== '');
  const read = settings.safeParse(Object.fromEntries(set));
  if (!read.success) {
    const faults = read.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new Error(`these settings of its environment are wrong:\n${faults.join('\n')}`);
  }
  const given = read.data;
  return {
    service,
    instance: given.INSTANCE,
    version: given.VERSION,
    host: given.HOST,
    port: given.PORT,
    databaseUrl: given.DATABASE_URL,
    verdictUrls: given.VERDICT_URL.split(','),
    dataDirectory: join(given.DATA_DIRECTORY, given.INSTANCE),
    shutdownDelayMs: given.SHUTDOWN_DELAY_MS,
  };
}

function isUrlOf(scheme: string, text: string): boolean {
  // PostgreSQL's has two names.
  const schemes = scheme === 'postgres:' ? ['postgres:', 'postgresql:'] : [scheme];
  return URL.canParse(text) && schemes.includes(new URL(text).protocol);
}
