import process from 'node:process';
import { thrownText } from '../core/thrown.ts';
import { forOperator } from './operator-error.ts';

/** A package with native code is not there, or not for this system. The text says what to do. */
export class NativePackageError extends Error {
  override readonly name = 'NativePackageError';
}

/** The package `verdict-client` has no part that would need one. */
const leftOut = /journal[/\\]lmdb[/\\]journal/;

const packages = /@?lmdb|fs-native-extensions|require-addon|msgpackr-extract/;
const noSqlite = /ERR_UNKNOWN_BUILTIN_MODULE|node:sqlite/;
const missing = /^(ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND|ADDON_NOT_FOUND|ERR_DLOPEN_FAILED)$/;

const noLmdb =
  'The package verdict-client keeps journals in SQLite alone, and the journal that was asked for, or is in the directory, is in LMDB. Take verdict/participant of the package verdict, or give another directory once nothing is in doubt.';

/** Loads a module that needs them. Rejects with NativePackageError where they are not there. */
export async function loadStore<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const why = thrownText(error);
    const { code = '' } = error as NodeJS.ErrnoException;
    if (missing.test(code) && leftOut.test(why)) throw forOperator(new NativePackageError(noLmdb));
    if (noSqlite.test(code) || noSqlite.test(why)) {
      throw forOperator(
        new NativePackageError(
          `This runtime has no node:sqlite (${why}). Take Node 22.18, Bun 1.4 or Deno 2.9 or newer, or install the optional dependencies, which LMDB needs (npm ci --include=optional).`,
        ),
      );
    }
    const name = packages.exec(why)?.[0];
    if (name === undefined || !(missing.test(code) || why.startsWith('No native build'))) {
      throw error;
    }
    throw forOperator(
      new NativePackageError(
        `The package ${name.replace('@', '')}, which keeps data on disk, cannot be loaded on ${process.platform}-${process.arch} (${why.split('\n')[0]}). Install the dependencies again on this system, optional ones included (npm ci --include=optional), and copy no node_modules from another.`,
      ),
    );
  }
}
