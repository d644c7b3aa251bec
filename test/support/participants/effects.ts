/**
 * What a scripted participant keeps in a durable store of its own: what it holds prepared, and what
 * was applied how often. The count is the point: exactly once is what is claimed.
 *
 * Applying is idempotent only as far as `Resource` asks for: what is prepared is applied and is
 * prepared no longer. A branch that was prepared anew after its outcome would be applied twice, and
 * show.
 *
 * A branch may move money of an account kept in the same store: what it takes is set aside when it
 * prepares.
 */
import { join } from 'node:path';
import { open } from 'lmdb';
import { Packr } from 'msgpackr';
import type { Txid } from '../../../src/core/txid.ts';
import type { BranchRef } from '../../../src/participant.ts';
import { CountedKeys } from '../../../src/store/counted-keys.ts';
import { GroupCommit } from '../../../src/store/group-commit.ts';
import type { ReadableKeys } from '../../../src/store/key-value.ts';
import { LayeredKeys } from '../../../src/store/layers.ts';
import { type LmdbStore, openLmdb } from '../../../src/store/lmdb.ts';
import { exitOnFatal } from '../../../src/store/on-fatal.ts';
import { LogApartError, readLogs, unapplied } from '../../../src/store/unapplied.ts';

const fileName = 'effects.mdb';

export interface Held {
  readonly txid: Txid;
  readonly branch: string;
  readonly prepared: boolean;
  /** How many times its effect was applied. */
  readonly applied: number;
  /** Which call of a client it belongs to, as its payload says. */
  readonly tag: string | null;
}

export interface Transfer {
  readonly account: string;
  /** Below zero: it is taken. */
  readonly amount: number;
}

export interface Account {
  readonly balance: number;
  /** Promised to branches that are prepared. */
  readonly setAside: number;
}

type Entry = Omit<Held, 'txid' | 'branch'> & { readonly transfer?: Transfer };
const nothing: Entry = { prepared: false, applied: 0, tag: null };

/** What every account begins with. */
export const firstBalance = 1_000;
/** Behind every txid. */
const accountPrefix = '~account/';

export class Effects {
  readonly #lmdb: LmdbStore;
  readonly #group: GroupCommit<CountedKeys>;

  constructor(directory: string) {
    this.#lmdb = openLmdb({ directory, file: fileName, onFatal: exitOnFatal });
    this.#group = new GroupCommit({
      transact: (body) => this.#lmdb.transact((keys) => body(new CountedKeys(keys))),
    });
  }

  /** False where the account has not enough; nothing is held then. */
  async prepare(ref: BranchRef, tag: string | null, transfer?: Transfer): Promise<boolean> {
    let held = true;
    await this.#change(ref, (entry, keys) => {
      if (transfer === undefined) return { ...entry, prepared: true, tag };
      if (entry.prepared) return entry;
      const account = accountIn(keys, transfer.account);
      const taken = Math.max(0, -transfer.amount);
      held = account.balance - account.setAside >= taken;
      if (!held) return { ...entry, tag };
      putAccount(keys, transfer.account, { ...account, setAside: account.setAside + taken });
      return { ...entry, prepared: true, tag, transfer };
    });
    return held;
  }

  commit(ref: BranchRef): Promise<void> {
    return this.#change(ref, (entry, keys) => {
      if (!entry.prepared) return entry;
      release(keys, entry.transfer, { applied: true });
      return { ...entry, prepared: false, applied: entry.applied + 1 };
    });
  }

  rollback(ref: BranchRef): Promise<void> {
    return this.#change(ref, (entry, keys) => {
      if (entry.prepared) release(keys, entry.transfer, { applied: false });
      return { ...entry, prepared: false };
    });
  }

  prepared(): BranchRef[] {
    return this.#lmdb.snapshot(listed).filter((held) => held.prepared);
  }

  #change(
    { txid, branch }: BranchRef,
    change: (entry: Entry, keys: CountedKeys) => Entry,
  ): Promise<void> {
    const key = `${txid}/${branch}`;
    return this.#group.run((keys) => {
      const entry = (keys.get(key) as Entry | undefined) ?? nothing;
      keys.put(key, change(entry, keys));
    });
  }
}

function accountIn(keys: ReadableKeys, account: string): Account {
  const kept = keys.get(accountPrefix + account) as Account | undefined;
  return kept ?? { balance: firstBalance, setAside: 0 };
}

function putAccount(keys: CountedKeys, name: string, account: Account): void {
  keys.put(accountPrefix + name, account);
}

function release(
  keys: CountedKeys,
  transfer: Transfer | undefined,
  { applied }: { readonly applied: boolean },
): void {
  if (transfer === undefined) return;
  const { balance, setAside } = accountIn(keys, transfer.account);
  putAccount(keys, transfer.account, {
    balance: balance + (applied ? transfer.amount : 0),
    setAside: setAside - Math.max(0, -transfer.amount),
  });
}

function listed(keys: ReadableKeys): Held[] {
  return keys.range({ start: '', end: accountPrefix, limit: 1_000_000 }).map(([key, value]) => {
    const slash = key.indexOf('/');
    const entry = value as Entry;
    return { txid: key.slice(0, slash) as Txid, branch: key.slice(slash + 1), ...entry };
  });
}

/** What is in the store now, whether its process runs or not. */
export function readEffects(directory: string): Held[] {
  return readStore(join(directory, fileName), listed);
}

/** The accounts that were ever touched, by name. */
export function readAccounts(directory: string): ReadonlyMap<string, Account> {
  return readStore(join(directory, fileName), (keys) => {
    const range = { start: accountPrefix, end: '\uffff', limit: 1_000_000 };
    return new Map(
      keys.range(range).map(([key, value]) => [key.slice(accountPrefix.length), value as Account]),
    );
  });
}

/** Reads a store of ours from outside, on one snapshot, with its log, and changes nothing. */
export function readStore<T>(path: string, read: (keys: ReadableKeys) => T): T {
  for (let left = 3; ; left -= 1) {
    try {
      return readOnce(path, read);
    } catch (error) {
      if (!(error instanceof LogApartError) || left <= 1) throw error;
    }
  }
}

function readOnce<T>(path: string, read: (keys: ReadableKeys) => T): T {
  const logs = readLogs(path);
  const database = open<Buffer, string>({
    path,
    noSubdir: true,
    readOnly: true,
    encoding: 'binary',
  });
  const codec = new Packr({ useRecords: false, mapsAsObjects: true });
  const below: ReadableKeys = {
    get: (key) => {
      const bytes = database.get(key);
      return bytes === undefined ? undefined : codec.unpack(bytes);
    },
    range: (options) =>
      [...database.getRange(options)].map(({ key, value }) => [key, codec.unpack(value)] as const),
    last: ({ start, end }) => [...database.getKeys({ start, end })].at(-1) ?? null,
  };
  try {
    const { layer } = unapplied(path, logs, below);
    return read(new LayeredKeys({ layers: [layer], below, codec }));
  } finally {
    void database.close();
  }
}
