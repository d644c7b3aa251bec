/** What an application says of its database's address, before a driver guesses the rest. */
import { shown } from '../../core/fields.ts';

/**
 * A driver goes to `localhost` where the address is undefined, as that of a variable is which was
 * not set; and it waits for a database that speaks another protocol.
 */
export function checkConnection(
  connection: unknown,
  { of, field, schemes }: { of: string; field: string; schemes: readonly string[] },
): void {
  if (typeof connection !== 'object' || connection === null) {
    throw new TypeError(
      `${of} needs its connection, as { ${field}: '${schemes[0]}://...' }, not ${shown(connection)}.`,
    );
  }
  if (!(field in connection)) return;
  const address: unknown = Reflect.get(connection, field);
  if (typeof address !== 'string') {
    throw new TypeError(
      `${field} of ${of} must be a string, not ${shown(address)}. Is an environment variable not set? Leave ${field} out for what the driver takes by itself.`,
    );
  }
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address) ?? [];
  if (scheme === undefined || schemes.includes(scheme.toLowerCase())) return;
  // Not the address itself: it may have a password.
  throw new TypeError(
    `${field} of ${of} begins with ${scheme}://, and must begin with ${schemes.map((each) => `${each}://`).join(' or ')}.`,
  );
}
