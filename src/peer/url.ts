/** Addresses as people write them. */
import { defaultPort, webSocketPath } from '../wire/address.ts';

/**
 * `host`, `host:port`, `ws://`, `wss://`, `http://` or `https://` -> the node's WebSocket address.
 * A bare host gets the default port, and TLS where that is given: then an address without TLS is
 * refused. Throws a TypeError that names what is wrong.
 */
export function nodeUrl(text: string, tls = false): string {
  if (typeof text !== 'string') throw new TypeError(badUrl(String(text)));
  const bare = !/^[a-z]+:\/\//i.test(text);
  const candidate = bare ? `${tls ? 'wss' : 'ws'}://${text}` : text;
  if (!URL.canParse(candidate)) throw new TypeError(badUrl(text));
  const url = new URL(candidate);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new TypeError(badUrl(text));
  if (tls && url.protocol === 'ws:') {
    throw new TypeError(
      `${text} is an address without TLS, and TLS options are given. Write wss:// or host:port, or leave the TLS options out.`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new TypeError(
      `A node address holds no user and no password (${url.hostname}): give the token as \`token\`, or to the command as --token-file.`,
    );
  }
  if (url.hostname === '' || url.hash !== '' || url.search !== '') {
    throw new TypeError(badUrl(text));
  }
  // The scheme's default port is dropped by the parser, so that "host:80" looks like "host" here.
  const usual = tls ? /:443(\/|$)/ : /:80(\/|$)/;
  if (bare && url.port === '' && !usual.test(text)) url.port = String(defaultPort);
  const given = url.pathname.replace(/\/+$/, '');
  url.pathname = given.endsWith(webSocketPath) ? given : `${given}${webSocketPath}`;
  return url.href;
}

/** Checks an SDK's `urls`, whatever was given. Throws a TypeError that says what is wanted. */
export function checkNodeUrls(options: unknown): void {
  const wanted = "urls must be a list of node addresses, such as { urls: ['127.0.0.1:7070'] }";
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${wanted}; there are no options.`);
  }
  const { urls, tls } = options as { readonly urls?: unknown; readonly tls?: unknown };
  if (urls === undefined && 'url' in options) {
    throw new TypeError(`${wanted}; \`url\` is no option.`);
  }
  if (typeof urls === 'string') throw new TypeError(`${wanted}, and not one text.`);
  if (!Array.isArray(urls)) throw new TypeError(`${wanted}.`);
  if (urls.length === 0) throw new TypeError(`${wanted}; it is empty.`);
  for (const url of urls) nodeUrl(url, tls !== undefined);
}

/** The address that a node advertises; null if it is none, which is no reason to fail. */
export function advertisedUrl({ url }: { readonly url: string }): string | null {
  try {
    return nodeUrl(url);
  } catch {
    return null;
  }
}

function badUrl(text: string): string {
  return `"${text}" is no node address. Write host:port, ws://host:port or wss://host:port.`;
}
