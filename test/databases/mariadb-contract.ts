/** The contract of the Resource port on a MariaDB or a MySQL, however its branches work. */
import { type ResourceHarness, resourceContract, type Writes } from '../contract/resource.ts';
import { hostedHarness } from '../support/resources/hosted-harness.ts';
import type { TestMariadb } from '../support/resources/mariadb.ts';
import { type Library, libraries } from '../support/resources/orm-writes.ts';

const table = 'CREATE TABLE contract (name VARCHAR(200) PRIMARY KEY, value TEXT NOT NULL)';

export interface Payloads {
  readonly payloadThatWrites: (writes: Writes) => unknown;
  readonly payloadThatRefuses: (key: string) => unknown;
}

export const plainPayloads: Payloads = payloadsBy([null]);
export const libraryPayloads: Payloads = payloadsBy(libraries);
export const allPayloads: Payloads = payloadsBy([null, ...libraries]);

/**
 * Each payload is the next way's, so that every test has branches of several beside each other, and
 * whatever is killed is some library's. Null: by `sql` itself.
 */
function payloadsBy(ways: readonly (Library | null)[]): Payloads {
  let turn = 0;
  const payload = (writes: Writes, refuse: boolean): unknown => {
    turn += 1;
    const library = ways[turn % ways.length] ?? null;
    return { writes, refuse, ...(library === null ? {} : { library }) };
  };
  return {
    payloadThatWrites: (writes) => payload(writes, false),
    payloadThatRefuses: (key) => payload({ [key]: 'x' }, true),
  };
}

export interface MariadbContract {
  readonly server: () => TestMariadb;
  readonly payloads: Payloads;
  /** Of test/support/resources. Default: the one for `plainPayloads`. */
  readonly file?: string;
  /** What it is opened with, beside a connection and a name. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export function mariadbContract(
  what: string,
  { server, payloads, file = './hosted-mariadb.ts', settings = {} }: MariadbContract,
): void {
  resourceContract(what, async (): Promise<ResourceHarness> => {
    const mariadb = server();
    const connection = await mariadb.database([table]);
    return hostedHarness({
      file,
      // XA ids are the server's: each test is another participant.
      settings: { connection, name: `t'${connection.database}`, ...settings },
      ...payloads,
      visible: async (key) => {
        const text = 'SELECT value FROM contract WHERE name = ?';
        const rows = await mariadb.query<{ value: string }>(connection, text, [key]);
        return rows[0]?.value ?? null;
      },
      remove: () => undefined,
    });
  });
}
