/**
 * Makes what the cluster of docker-compose.yml begins with: an authority, certificates from it, and
 * the access file; the same for etcd, by an authority of its own. Each container has a directory
 * below DIRECTORY/for, a volume, with the files that it needs and no more. Run again it adds what
 * is missing, and renews what expires soon. Nothing secret is in the repository.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { type CertificateFiles, certifyEtcd, certifyShop } from '../secure/installation.ts';
import { nameOf, operator, orderClient } from '../secure/shop-access.ts';
import { serviceNames } from '../shop/paths.ts';

const nodes = ['node-1', 'node-2', 'node-3'];
const members = ['etcd-1', 'etcd-2', 'etcd-3'];
const reader = 'reader';
const administrator = 'root';

const [directory, given = ''] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write('Usage: cluster/credentials/main.ts DIRECTORY [IDENTITY,...]\n');
  process.exit(2);
}
const places = join(directory, 'for');
const authorities = join(directory, 'authorities');
const more = given.split(',').filter((identity) => identity !== '');
const shop = await certifyShop({
  directory: join(authorities, 'verdict'),
  nodes,
  hosts: nodes,
  more,
});
const etcd = await certifyEtcd({
  directory: join(authorities, 'etcd'),
  members,
  accounts: [...nodes, reader, administrator],
});

for (const name of nodes) {
  put(name, shop.node(name));
  copy(shop.accessFile, join(places, name, 'access.json'));
  put(join(name, 'etcd'), etcd.identity(name));
}
// Etcd runs as root without its powers: it reads what its group may (see the Dockerfile).
for (const name of members) put(name, etcd.node(name), 0o640);
put('etcd-accounts', etcd.identity(administrator));
mkdirSync(join(places, 'etcd-accounts/passwords'), { recursive: true, mode: 0o700 });
for (const name of serviceNames) putIdentity(name, name);
for (const name of [orderClient, operator, ...more.map(nameOf)]) {
  putIdentity('clients', name);
}
put('clients/etcd', etcd.identity(reader));
process.stdout.write('The certificates are there.\n');

/** As `verdict dev-ca` lays them out. */
function putIdentity(place: string, name: string): void {
  const { ca, cert, key } = shop.identity(name);
  copy(ca, join(places, place, 'ca.crt'));
  copy(cert, join(places, place, 'identities', `${name}.crt`));
  copy(key, join(places, place, 'identities', `${name}.key`));
}

function put(place: string, { ca, cert, key }: CertificateFiles, mode = 0o600): void {
  copy(ca, join(places, place, 'ca.crt'), mode);
  copy(cert, join(places, place, 'tls.crt'), mode);
  copy(key, join(places, place, 'tls.key'), mode);
}

/** At once: whoever reads it meanwhile has the old or the new one. */
function copy(from: string, to: string, mode = 0o600): void {
  const aside = `${to}.new`;
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  // Not by copyFile, which keeps the group of the original.
  writeFileSync(aside, readFileSync(from), { mode });
  chmodSync(aside, mode);
  renameSync(aside, to);
}
