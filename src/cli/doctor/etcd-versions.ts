/** What the doctor says of a version of etcd. */
import {
  etcdUpgradeText,
  type Mended,
  nestedMended,
  watchMended,
} from '../../decision-log/etcd-accounts/versions.ts';

export interface VersionVerdict {
  readonly isProblem: boolean;
  readonly found: string;
  readonly todo: string;
}

/** Null: nothing is known against it. */
export function versionVerdict(version: string): VersionVerdict | null {
  const [major = 0, minor = 0, patch = 0] = version
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  if (!(major === 3 && minor >= 4) && major < 4) {
    return {
      isProblem: true,
      found: `Etcd ${version} is too old: 3.4 is the oldest that Verdict runs on.`,
      todo: etcdUpgradeText,
    };
  }
  if (minor === 5 && patch <= 5 && major === 3) {
    return {
      isProblem: true,
      found: `Etcd ${version} may lose or corrupt data: no version from 3.5.0 to 3.5.5 is to be used.`,
      todo: etcdUpgradeText,
    };
  }
  const holes = [
    ...(isOpen([major, minor, patch], nestedMended)
      ? ['does not check a transaction within a transaction (GHSA-rfx7-8w68-q57q)']
      : []),
    ...(isOpen([major, minor, patch], watchMended)
      ? ['lets whoever may read one key watch all that sort after it (GHSA-xg4h-6gfc-h4m8)']
      : []),
  ];
  if (holes.length === 0) return null;
  return {
    isProblem: false,
    found: `Etcd ${version} ${holes.join(', and ')}: accounts keep mistakes out, and no attacker.`,
    todo: `${etcdUpgradeText} Until then let nothing but nodes reach it.`,
  };
}

function isOpen([major, minor, patch]: [number, number, number], mended: Mended): boolean {
  const first = mended[`${major}.${minor}`];
  if (first !== undefined) return patch < first;
  const oldest = Object.keys(mended)[0] ?? '';
  return major === 3 && minor < Number(oldest.split('.')[1]);
}
