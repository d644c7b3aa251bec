/** The name of a package, from that of its directory, by the rules that npm has for new ones. */
import { builtinModules } from 'node:module';
import { basename, resolve } from 'node:path';
import { Refusal, shown } from './refusal.ts';

const longest = 214;
const part = /^[a-z0-9][a-z0-9._-]*$/;
const reserved: ReadonlySet<string> = new Set(['node_modules', 'favicon.ico', ...builtinModules]);

/**
 * As `npm init` does: blanks become hyphens, and letters small. `@scope/name`, as it was written,
 * is a name with a scope. `taken`: packages that the project needs, whose names it cannot have.
 */
export function packageName(
  directory: string,
  { cwd, taken }: { readonly cwd: string; readonly taken: ReadonlySet<string> },
): string {
  const [, scope] = /(?:^|\/)@([^/]+)\/[^/]+\/*$/.exec(directory) ?? [];
  const last = usual(basename(resolve(cwd, directory)));
  const name = scope === undefined ? last : `@${usual(scope)}/${last}`;
  const parts = scope === undefined ? [last] : [usual(scope), last];
  const problem = !parts.every((each) => part.test(each))
    ? 'such a name has a-z, 0-9, ".", "_" and "-" alone, and begins with a letter or a digit'
    : name.length > longest
      ? `such a name has at most ${longest} characters`
      : reserved.has(name)
        ? "that is one of Node's or npm's own"
        : taken.has(name)
          ? 'the project depends on a package of that name'
          : null;
  if (problem === null) return name;
  throw new Refusal(
    `${shown(name)} cannot be the name of a package: ${problem}. Name the directory otherwise.`,
  );
}

function usual(text: string): string {
  return text.trim().replaceAll(/\s+/g, '-').toLowerCase();
}
