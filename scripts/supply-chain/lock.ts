/** What the lock file must say about each package. Addresses and checksums: registry-hosts.ts. */

export interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Specs;
  readonly devDependencies?: Specs;
  readonly optionalDependencies?: Specs;
  readonly peerDependencies?: Specs;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

type Specs = Readonly<Record<string, string>>;

export interface LockFile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const kinds = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
] as const;

/** A version, a range of them, a tag, or another name for a package of the registry. */
const fromRegistry = /^(npm:(@[\w.-]+\/)?[\w.-]+@)?[\^~<>=*\w.+ |-]*$/;

/** Everything comes from the registry, and is what it was when it was locked. */
export function checkSources({ packages }: LockFile): string[] {
  const found: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    const name = path === '' ? 'package.json' : path;
    if (entry.link === true) found.push(`${name} is a link. Depend on what is published.`);
    else if (path !== '' && !/^sha512-[\w+/]{86}==$/.test(entry.integrity ?? '')) {
      found.push(`${name} has no SHA-512 checksum in package-lock.json. Run npm install again.`);
    }
    for (const kind of kinds) {
      for (const [dependency, spec] of Object.entries(entry[kind] ?? {})) {
        if (fromRegistry.test(spec)) continue;
        found.push(
          `${name} wants ${dependency} from ${spec}, which is no version in a registry: what is there may change. Depend on a published version.`,
        );
      }
    }
  }
  return found;
}

export function nameOf(path: string): string {
  return path.split('node_modules/').at(-1) ?? path;
}

export interface AllowedScript {
  /** `*` at its end: all packages that begin so. */
  readonly name: string;
  readonly runs: boolean;
}

/** The rows of the table in docs/DEPENDENCIES.md: package, whether its script runs, why. */
export function allowedScripts(page: string): AllowedScript[] {
  const table = /## Install scripts\n([\s\S]*?)(\n## |$)/.exec(page)?.[1] ?? '';
  return [...table.matchAll(/^\| `([^`]+)` \| (yes|no) \| ([^|]*\S) *\|$/gm)].map(
    ([, name = '', runs]) => ({ name, runs: runs === 'yes' }),
  );
}

/**
 * A script runs with the rights of whoever installs. So each package that brings one is on the
 * list with a reason, and runs it only where package.json allows it.
 */
export function checkInstallScripts(
  { packages }: LockFile,
  allowed: readonly AllowedScript[],
  allowScripts: Readonly<Record<string, boolean>>,
): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const [path, { hasInstallScript }] of Object.entries(packages)) {
    if (hasInstallScript !== true) continue;
    const name = nameOf(path);
    const row = allowed.find((one) => fits(one.name, name));
    if (row === undefined) {
      found.push(
        `${name} has an install script. Read it; do without the package, or say why it is needed in docs/DEPENDENCIES.md, "Install scripts".`,
      );
      continue;
    }
    seen.add(row.name);
    if (allowScripts[name] === true && !row.runs) {
      found.push(
        `package.json lets the install script of ${name} run, and docs/DEPENDENCIES.md says it does not.`,
      );
    }
  }
  for (const { name, runs } of allowed) {
    if (!seen.has(name)) {
      found.push(`docs/DEPENDENCIES.md lists ${name}, which has no install script. Take it out.`);
    } else if (
      runs &&
      !Object.keys(allowScripts).some((one) => allowScripts[one] && fits(name, one))
    ) {
      found.push(
        `docs/DEPENDENCIES.md says that the install script of ${name} runs, and package.json does not allow it.`,
      );
    }
  }
  return found;
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
