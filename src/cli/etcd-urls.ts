/** The address list of `--etcd`. */
import { InvalidArgumentError } from 'commander';

export function etcdUrls(text: string): string[] {
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (urls.length === 0)
    throw new InvalidArgumentError('Give the address of one etcd member at least.');
  return urls.map((part) => {
    const whole = part.includes('://') ? part : `http://${part}`;
    const url = URL.canParse(whole) ? new URL(whole) : null;
    if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
      throw new InvalidArgumentError(
        `${JSON.stringify(part)} is no address of etcd. Write http://host:2379 or https://host:2379.`,
      );
    }
    return `${url.protocol}//${url.hostname}:${url.port === '' ? '2379' : url.port}`;
  });
}
