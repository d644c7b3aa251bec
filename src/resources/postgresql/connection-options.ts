/** Apart from what needs the driver: whoever has not installed it can still compile against this package. */

/** As `pg` takes them; `connectionString` or the parts. */
export interface PostgresqlConnection {
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string };
}
