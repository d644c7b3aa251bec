/** The bill of materials: what a service gets with the package, in CycloneDX. */
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { type LockFile, nameOf } from './lock.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string };
    readonly expression?: string;
  }[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

export interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn?: readonly string[];
  }[];
}

/** Each lets others use, change and pass on the software, and asks at most to be named. */
const licences = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

/**
 * Of the lock file alone: what is installed here, for this machine, is only a part of it. Npm lists
 * everything, and what is not shipped is left out here: by its own `--omit=dev` it forgets what is
 * shipped and needed for development, too.
 */
export function makeBill(root: string, name: string, lock: LockFile): Bill {
  const text = execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--package-lock-only'], {
    cwd: root,
    // Else npm leaves out what is for development, as above.
    env: { ...process.env, NODE_ENV: '', npm_config_omit: '' },
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const {
    serialNumber: _,
    metadata,
    ...bill
  } = JSON.parse(text) as Bill & {
    readonly serialNumber?: unknown;
    readonly metadata: { readonly timestamp?: unknown };
  };
  // Without what differs each time: the same lock file makes the same bill. Npm takes the name from
  // the directory.
  const { timestamp: __, ...rest } = metadata;
  const { component } = metadata;
  const ours = shipped(lock);
  const refs = new Set([...ours, component['bom-ref']]);
  return {
    ...bill,
    metadata: { ...rest, component: { ...component, name } },
    components: bill.components.filter((one) => ours.has(one['bom-ref'])),
    dependencies: bill.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn = [] }) => ({
        ref,
        dependsOn: dependsOn.filter((one) => refs.has(one)),
      })),
  };
}

export function checkBill(bill: Bill, lock: LockFile): string[] {
  const found: string[] = [];
  if (bill.bomFormat !== 'CycloneDX') found.push(`The bill is no CycloneDX: ${bill.bomFormat}.`);
  const listed = new Set<string>();
  for (const { name, version, licenses = [], hashes = [] } of bill.components) {
    const full = `${name}@${version}`;
    listed.add(full);
    if (version === undefined) found.push(`${name} has no version in the bill.`);
    if (!hashes.some(({ alg, content }) => alg === 'SHA-512' && /^[0-9a-f]{128}$/.test(content))) {
      found.push(`${full} has no SHA-512 checksum in the bill.`);
    }
    const known = licenses.map(({ license, expression }) => license?.id ?? expression ?? '');
    if (known.length === 0 || !known.every((one) => licences.has(one))) {
      found.push(
        `${full} has the licence ${known.join(', ') || 'that it does not name'}. Do without it, or, where it may be passed on with this package, add the licence to scripts/supply-chain/bill.ts.`,
      );
    }
  }
  for (const name of shipped(lock)) {
    if (!listed.has(name))
      found.push(`${name} is installed with the package, and not in the bill.`);
  }
  return found;
}

/** In what the package has built: Vite puts them into the console. */
const bundled = ['preact', 'uplot'];

/** What `dependencies` of package.json lead to, as npm would find it, and what is bundled. */
function shipped({ packages }: LockFile): Set<string> {
  const names = new Set<string>();
  const visited = new Set<string>();
  const visit = (path: string): void => {
    if (visited.has(path)) return;
    visited.add(path);
    const entry = packages[path];
    if (entry === undefined) return;
    if (path !== '') names.add(`${nameOf(path)}@${entry.version}`);
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = entry;
    const peers = Object.keys(peerDependencies ?? {}).filter(
      (name) => peerDependenciesMeta?.[name]?.optional !== true,
    );
    for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) {
      const target = resolved(path, name, packages);
      if (target !== null) visit(target);
    }
  };
  visit('');
  for (const name of bundled) visit(`node_modules/${name}`);
  return names;
}

/** As Node looks for it: beside what needs it, then further up. */
function resolved(from: string, name: string, packages: LockFile['packages']): string | null {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (at === '') return null;
  }
}
