import { describe, expect, it } from 'vitest';
import { etcdUrls } from '../../../src/cli/parameters.ts';
import { etcdEndpoints } from '../../../src/decision-log/etcd/endpoints.ts';
import { TransactionCoordinator } from '../../../src/embedded.ts';
import { serveParticipant, vote } from '../../../src/participant.ts';

/** What is written in `--etcd`, in `decisionLog` and in the library's `log` means the same. */
const understood: readonly (readonly [string, string])[] = [
  ['http://127.0.0.1:2379', 'http://127.0.0.1:2379'],
  ['http://127.0.0.1:2379/', 'http://127.0.0.1:2379'],
  ['127.0.0.1:2379', 'http://127.0.0.1:2379'],
  ['etcd-1', 'http://etcd-1:2379'],
  ['HTTP://Etcd-1:2379', 'http://etcd-1:2379'],
  ['https://etcd.example', 'https://etcd.example:2379'],
  ['http://etcd:80', 'http://etcd:80'],
  ['https://etcd:443/', 'https://etcd:443'],
  ['http://[::1]:2379', 'http://[::1]:2379'],
  [' http://a:1 ', 'http://a:1'],
];
const refused: readonly (readonly [string, RegExp])[] = [
  ['http://root:secret@127.0.0.1:2379', /no user and no password.*--etcd-user/],
  ['http://127.0.0.1:2379/v3', /no address of etcd/],
  ['http://127.0.0.1:2379?x=1', /no address of etcd/],
  ['unix:///run/etcd.sock', /no address of etcd/],
  ['http://127.0.0.1:99999', /no address of etcd/],
  ['a b', /no address of etcd/],
];

describe('addresses of etcd', () => {
  it.each(understood)('%j is %s', (text, endpoint) => {
    expect(etcdEndpoints([text])).toEqual([endpoint]);
    expect(etcdUrls(text)).toEqual([endpoint]);
  });

  it('are counted once each', () => {
    expect(etcdUrls(' http://a:1 , a:1,http://a:1/, b:2,')).toEqual(['http://a:1', 'http://b:2']);
  });

  it.each(refused)(
    '%j is refused, by the command, by a participant and by the library',
    async (text, why) => {
      expect(() => etcdUrls(text)).toThrow(why);
      await expect(participant([text])).rejects.toThrow(why);
      await expect(library([text])).rejects.toThrow(why);
      expect(() => etcdUrls(text)).not.toThrow(/secret/);
    },
  );

  it.each([
    ['http://127.0.0.1:2379', /list.*not one text/],
    [undefined, /list/],
    [[], /one etcd member/],
  ])('%j is no list of them', async (endpoints, why) => {
    await expect(participant(endpoints)).rejects.toThrow(why);
    await expect(library(endpoints)).rejects.toThrow(why);
  });
});

function participant(endpoints: unknown): Promise<unknown> {
  return serveParticipant({
    name: 'p',
    urls: ['127.0.0.1:1'],
    dataDirectory: '/nowhere',
    decisionLog: { etcd: { endpoints: endpoints as string[], cluster: 'c' } },
    prepare: () => vote.commit(),
    commit: () => undefined,
    rollback: () => undefined,
  });
}

async function library(endpoints: unknown): Promise<void> {
  const coordinator = new TransactionCoordinator({
    log: { kind: 'etcd', endpoints: endpoints as string[], cluster: 'c', directory: '/nowhere' },
    onFatal: () => undefined,
  });
  try {
    await coordinator.ready();
  } finally {
    await coordinator.close().catch(() => undefined);
  }
}
