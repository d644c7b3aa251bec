import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { defaultImages, pinned, withVariables } from '../../../scripts/images/pin.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

it('every image of the Compose file that is not built there can be pinned', () => {
  const text = readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8');
  const images = defaultImages(text);
  expect([...images.keys()].sort()).toEqual(['VERDICT_ETCD_IMAGE', 'VERDICT_NODE_IMAGE']);
  const named = [...text.matchAll(/^ +(?:image|NODE_IMAGE): (.+)$/gm)].map(([, image]) => image);
  const others = named.filter(
    (image) => !/^(\$\{VERDICT_(ETCD|NODE)_IMAGE:-|verdict-)/.test(image ?? ''),
  );
  expect(others).toEqual([]);
});

it('a name keeps its tag, and gets the digest of its own repository', () => {
  const digests = [`other/etcd@sha256:${'f'.repeat(64)}`, `quay.io/coreos/etcd@${digest}`];
  expect(pinned('quay.io/coreos/etcd:v3', digests)).toBe(`quay.io/coreos/etcd:v3@${digest}`);
  expect(pinned('127.0.0.1:5000/etcd', [`127.0.0.1:5000/etcd@${digest}`])).toBe(
    `127.0.0.1:5000/etcd@${digest}`,
  );
});

it.each([[[]], [['etcd@sha256:short']]])('%j is no digest', (digests) => {
  expect(() => pinned('etcd:v3', digests)).toThrow(/no registry/);
});

it('only its own lines are changed', () => {
  expect(withVariables('', [['A', '1']])).toBe('A=1\n');
  expect(
    withVariables('B=2\nA=0\n# kept\n', [
      ['A', '1'],
      ['C', '3'],
    ]),
  ).toBe('B=2\nA=1\n# kept\nC=3\n');
});
