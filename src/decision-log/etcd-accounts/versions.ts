/** What is known against versions of etcd: docs/OPERATING.md, "Accounts at etcd". */

/** From that minor on, the first patch that has it mended; older minors have it never. */
export type Mended = Readonly<Record<string, number>>;

/** GHSA-rfx7-8w68-q57q: a transaction within a transaction is not checked. */
export const nestedMended: Mended = { '3.4': 44, '3.5': 30, '3.6': 11 };
/** GHSA-xg4h-6gfc-h4m8: whoever may read one key may watch all that sort after it. */
export const watchMended: Mended = { '3.5': 33, '3.6': 14, '3.7': 1 };

/** To what mends both. */
export const etcdUpgradeText: string = `Upgrade etcd, member by member: to ${listed(watchMended)} or later.`;

function listed(mended: Mended): string {
  return Object.entries(mended)
    .map(([minor, patch]) => `${minor}.${patch}`)
    .join(', ');
}
