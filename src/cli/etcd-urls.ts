/** The address list of `--etcd`. */
import { InvalidArgumentError } from 'commander';
import { etcdEndpoints } from '../decision-log/etcd/endpoints.ts';

export function etcdUrls(text: string): string[] {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  try {
    return etcdEndpoints(parts);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
