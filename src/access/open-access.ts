/** Who is let in, by the token or the access file of a node. It is read again when it changes. */
import { statSync } from 'node:fs';
import { thrownText } from '../core/thrown.ts';
import type { Access } from '../ports/access.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { type AccessFile, readAccessFile } from './access-file.ts';
import { Authenticator } from './authenticator.ts';
import { bareUrl } from './issuer-keys.ts';
import { JwtVerifier } from './jwt.ts';

export interface AccessOptions {
  readonly token: string | null;
  readonly accessFile: string | null;
  readonly clock: Clock;
  /** Of this node, as it advertises it. */
  readonly url: () => string;
  readonly events: {
    /** Identities by name. */
    changed(what: AccessChange): void;
    /** The file is wrong, and the one before it stays in force. */
    broken(problem: string): void;
    /** Peers with a JWT of an issuer are told to come again: its keys cannot be read. */
    keysUnavailable(problem: string): void;
  };
}

export interface AccessChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Issuers, or trusted proxies. */
  readonly others: boolean;
}

export interface OpenAccess {
  readonly access: Access;
  /** Of the file at the start. */
  readonly trustedProxies: readonly string[];
  /** What is in force; null: there is no access file. */
  describe(): object | null;
  /** Looks at once whether the file has changed. */
  look(): void;
  close(): void;
}

/** How often the file is looked at. What a mounted secret is changed to is seen, too. */
const lookMs = 2_000;
/** How often it is told that keys are out of reach: peers come again and again. */
const tellMs = 60_000;

/** Without what may be secret in the address of an issuer's keys. */
function shownFile({ issuers, ...rest }: AccessFile['written']): object {
  if (issuers === undefined) return rest;
  const shown = issuers.map((issuer) =>
    'url' in issuer.keys ? { ...issuer, keys: { url: bareUrl(issuer.keys.url) } } : issuer,
  );
  return { ...rest, issuers: shown };
}

/** Throws an AccessFileError, or a SecretFileError, for a file that is wrong at the start. */
export function openAccess(options: AccessOptions): OpenAccess {
  const { token, accessFile, clock, url, events } = options;
  const first = accessFile === null ? null : readAccessFile(accessFile);
  let jwt = verifierOf(first, clock, null);
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const unavailable = (problem: string): void => {
    if (clock.monotonicMs() - toldAtMs < tellMs) return;
    toldAtMs = clock.monotonicMs();
    events.keysUnavailable(problem);
  };
  const access = new Authenticator({ token, file: first, jwt, url, unavailable });
  if (accessFile === null || first === null) {
    return {
      access,
      trustedProxies: [],
      describe: () => null,
      look: () => undefined,
      close: () => undefined,
    };
  }
  let file = first;
  // Another than any: it is read once more, in case it changed while it was read first.
  let seen = '';
  let broken = '';
  let timer: Timer | null = null;
  const take = (): void => {
    // Before the reading: what changes beside it is seen the next time.
    const stamp = stampOf(file);
    const next = readAccessFile(accessFile);
    const change = changeOf(file, next);
    const isOther = !isNothing(change);
    seen = next.files.join() === file.files.join() ? stamp : '';
    file = next;
    broken = '';
    if (!isOther) return;
    jwt = verifierOf(next, clock, jwt);
    access.replace(next, jwt);
    events.changed(change);
  };
  const look = (): void => {
    try {
      if (broken !== '' || stampOf(file) !== seen) take();
    } catch (error) {
      const problem = thrownText(error);
      if (problem !== broken) events.broken(problem);
      broken = problem;
    }
  };
  const again = (): void => {
    timer = clock.setTimer(lookMs, () => {
      look();
      again();
    });
  };
  again();
  const describe = (): object => shownFile(file.written);
  return {
    access,
    trustedProxies: first.trustedProxies,
    describe,
    look,
    close: () => timer?.cancel(),
  };
}

function verifierOf(
  file: AccessFile | null,
  clock: Clock,
  before: JwtVerifier | null,
): JwtVerifier | null {
  if (file === null || file.issuers.length === 0) return null;
  return new JwtVerifier(file.issuers, clock, before);
}

/**
 * Of all files that were read for it. Of a link: what it leads to now. One that cannot be found any
 * more has changed, too: it may have gone together with its entry (!).
 */
function stampOf({ files }: AccessFile): string {
  return files
    .map((file) => {
      try {
        const { mtimeMs, ctimeMs, size, ino } = statSync(file);
        return [file, mtimeMs, ctimeMs, size, ino].join(' ');
      } catch {
        return `${file} cannot be found`;
      }
    })
    .join('\n');
}

function changeOf(before: AccessFile, after: AccessFile): AccessChange {
  const others = before.text !== after.text;
  const old = textsOf(before);
  const now = textsOf(after);
  return {
    others,
    added: [...now.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    changed: [...now].flatMap(([name, text]) =>
      old.has(name) && old.get(name) !== text ? [name] : [],
    ),
  };
}

function textsOf({ identities }: AccessFile): Map<string, string> {
  return new Map(identities.map(({ rights, text }) => [rights.name, text]));
}

function isNothing({ added, removed, changed, others }: AccessChange): boolean {
  return !others && added.length + removed.length + changed.length === 0;
}
