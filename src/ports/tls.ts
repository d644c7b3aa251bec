/** What a side that dials knows of TLS. */

/**
 * PEM: as text or bytes, or the file that holds it. A file is read anew for each connection, so
 * that a certificate can be renewed while the program runs.
 */
export type Pem = string | Uint8Array | { readonly file: string };

/** TLS to the nodes. They are always verified: there is no option to leave that out. */
export interface TlsOptions {
  /** Who signs the nodes' certificates, instead of the authorities that Node trusts by itself. */
  readonly ca?: Pem;
  /** This side's own certificate, where the nodes ask for one; with those in between. */
  readonly cert?: Pem;
  /** The key of `cert`. */
  readonly key?: Pem;
  /** The name that every node's certificate is to have, in place of the host in its address. */
  readonly serverName?: string;
  /**
   * Names of which every node's certificate must have one: a host, `*.example` for any one label,
   * or a URI, which may end in `*`. Default: for nodes that another one names, the hosts of `urls`.
   */
  readonly nodeNames?: readonly string[];
}
