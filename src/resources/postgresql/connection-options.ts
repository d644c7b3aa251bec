/** Apart from what needs the driver: without it, code can still compile against this package. */

/** As `pg` takes them; `connectionString` or the parts. */
export interface PostgresqlConnection {
  /** All of it in one: `postgresql://user:password@host:5432/database`. */
  readonly connectionString?: string;
  /** The server's name or address. Default `localhost`. */
  readonly host?: string;
  /** Default 5432. */
  readonly port?: number;
  /** The account. */
  readonly user?: string;
  /** Its password. Never logged. */
  readonly password?: string;
  /** The database that the participant works in. */
  readonly database?: string;
  /** TLS: certificates and key in PEM; `true` for the system's authorities. Default: none. */
  readonly ssl?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string };
}
