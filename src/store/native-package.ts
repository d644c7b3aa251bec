import process from 'node:process';
import { thrownText } from '../core/thrown.ts';
import { forOperator } from './operator-error.ts';

/** A package with native code is not there, or not for this system. The text says what to do. */
export class NativePackageError extends Error {
  override readonly name = 'NativePackageError';
}

const packages = /@?lmdb|fs-native-extensions|require-addon|msgpackr-extract/;
const missing = /^(ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND|ADDON_NOT_FOUND|ERR_DLOPEN_FAILED)$/;

/** Loads a module that needs them. Rejects with NativePackageError where they are not there. */
export async function loadStore<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const why = thrownText(error);
    const { code = '' } = error as NodeJS.ErrnoException;
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
