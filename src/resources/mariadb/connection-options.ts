/** Apart from what needs the driver: whoever has not installed it can still compile against this package. */

/** As `mysql2` takes them; `uri` or the parts. */
export interface MariadbConnection {
  readonly uri?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}
