/** Where a peer connects from, and whose share that counts to. */
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { shareOf } from '../../../src/core/access/address-share.ts';
import { PeerAddresses } from '../../../src/transport/websocket/peer-address.ts';

function request(remoteAddress: string, forwarded?: string) {
  return {
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  } as unknown as IncomingMessage;
}

describe('a peer', () => {
  const addresses = new PeerAddresses(['10.0.0.0/8', '192.168.1.7', 'fd00::/16']);

  it.each<[string, string, string | undefined, string]>([
    ['is where it is', '203.0.113.9', undefined, '203.0.113.9'],
    ['may say what it wants', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['is behind a proxy that the node trusts', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['is behind one with IPv6', 'fd00:1::2', '2001:db8::1', '2001:db8::1'],
    ['is behind one in the form of IPv6', '::ffff:192.168.1.7', '198.51.100.1', '198.51.100.1'],
    ['is behind several', '10.1.2.3', '198.51.100.1, 10.9.9.9', '198.51.100.1'],
    ['says more than its proxy', '10.1.2.3', '127.0.0.1, 198.51.100.1', '198.51.100.1'],
    ['is told with a port', '10.1.2.3', '198.51.100.1:4711', '198.51.100.1'],
    ['is told with a port of IPv6', '10.1.2.3', '[2001:db8::1]:4711', '2001:db8::1'],
    ['is told in brackets', '10.1.2.3', '[2001:db8::1]', '2001:db8::1'],
    ['is behind several with ports', '10.1.2.3', '198.51.100.1:1, 10.9.9.9:2', '198.51.100.1'],
    ['is told by half of an address', '10.1.2.3', '[2001:db8::1', '10.1.2.3'],
    ['is told by no address', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['is told by nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['is near one that is not trusted', '192.168.1.8', '198.51.100.1', '192.168.1.8'],
  ])('%s', (_what, remote, forwarded, expected) => {
    expect(addresses.of(request(remote, forwarded))).toBe(expected);
  });

  it.each(['10.0.0.0/33', '10.0.0', 'proxy.example', 'fd00::/129', '10.0.0.0/x', ''])(
    'is behind no proxy at %j, which is no address',
    (text) => {
      expect(() => new PeerAddresses([text])).toThrow(/is no address and no subnet/);
    },
  );
});

describe('the share of an address', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::198.51.100.1', '64:ff9b:0:0::/64'],
    ['', ''],
  ])('%s is %s', (address, share) => {
    expect(shareOf(address)).toBe(share);
  });
});
