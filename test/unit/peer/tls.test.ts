/** Addresses with TLS, and what an SDK's `tls` may be. */
import { describe, expect, it } from 'vitest';
import { checkTls } from '../../../src/peer/tls.ts';
import { nodeUrl } from '../../../src/peer/url.ts';

describe('an address', () => {
  it.each([
    ['a', 'wss://a:7070/v1'],
    ['a:443', 'wss://a/v1'],
    ['a:80', 'wss://a:80/v1'],
    ['[::1]:7070', 'wss://[::1]:7070/v1'],
    ['wss://a', 'wss://a/v1'],
    ['https://a:7070/x', 'wss://a:7070/x/v1'],
  ])('%s has TLS where TLS is given: %s', (text, url) => {
    expect(nodeUrl(text, true)).toBe(url);
  });

  it.each(['ws://a:7070', 'http://a:7070', 'WS://a'])('%s has none, which is refused', (text) => {
    expect(() => nodeUrl(text, true)).toThrow(/Write wss:\/\//);
    expect(nodeUrl(text)).toMatch(/^ws:/);
  });
});

describe('tls', () => {
  const pem = '-----BEGIN CERTIFICATE-----\n';

  it.each([
    {},
    { ca: pem },
    { ca: Buffer.from('x'), cert: { file: 'c' }, key: { file: 'k' } },
    { serverName: 'a.example', nodeNames: ['*.example', 'a', '10.0.0.1', '::1'] },
    { nodeNames: ['spiffe://x/verdict/*', 'spiffe://x/verdict/node'] },
  ])('may be %j', (given) => {
    expect(() => checkTls(given)).not.toThrow();
  });

  it.each([
    [{ ca: 'ca.pem' }, 'this text is no PEM'],
    [{ ca: { path: 'x' } }, 'tls.ca must be PEM'],
    [{ ca: { file: 7 } }, 'file in tls.ca'],
    [{ cert: pem }, 'give both'],
    [{ key: pem }, 'give both'],
    [{ nodeNames: [] }, 'nodeNames'],
    [{ nodeNames: 'a' }, 'nodeNames'],
    [{ nodeNames: ['.example'] }, 'nodeNames'],
    [{ nodeNames: ['*'] }, 'nodeNames'],
    [{ nodeNames: ['a.*'] }, 'nodeNames'],
    [{ nodeNames: ['spiffe://*/x'] }, 'nodeNames'],
    [{ serverName: '' }, 'serverName'],
    [{ serverName: '*.example' }, 'serverName'],
    [{ rejectUnauthorized: false }, 'nodes are always verified'],
    [{ checkServerIdentity: () => undefined }, 'nodes are always verified'],
    [{ pfx: 'x' }, 'no field "pfx"'],
    [7, 'must be an object'],
    [null, 'must be an object'],
  ])('is not %j', (given, text) => {
    expect(() => checkTls(given as never)).toThrow(TypeError);
    expect(() => checkTls(given as never)).toThrow(text);
  });
});
