/** Apart from what needs the driver: without it, code can still compile against this package. */

/** As `mysql2` takes them; `uri` or the parts. */
export interface MariadbConnection {
  /** All of it in one: `mysql://user:password@host:3306/database`. */
  readonly uri?: string;
  /** The server's name or address. Default `localhost`. */
  readonly host?: string;
  /** Default 3306. */
  readonly port?: number;
  /** The account. */
  readonly user?: string;
  /** Its password. Never logged. */
  readonly password?: string;
  /** The database that the participant works in. */
  readonly database?: string;
  /** TLS: certificates and key in PEM. Default: none. */
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}
