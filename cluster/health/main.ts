/** The image's health check: whether the node of this container is ready, with TLS or without. */
import { get } from 'node:http';
import { get as getSecurely } from 'node:https';
import process from 'node:process';

const at = { host: '127.0.0.1', port: 7_070, path: '/readyz', timeout: 2_500 } as const;

function ask(by: (heard: (status: number | undefined) => void) => ReturnType<typeof get>) {
  return new Promise<number | undefined>((resolve, reject) => {
    const asked = by(resolve);
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error('It does not answer.')));
  });
}

try {
  const status = await ask((heard) => get(at, (answer) => heard(answer.statusCode))).catch(() =>
    // Nothing is sent that a wrong one could use, and this container has no other.
    ask((heard) =>
      getSecurely({ ...at, rejectUnauthorized: false }, (answer) => heard(answer.statusCode)),
    ),
  );
  process.exit(status === 200 ? 0 : 1);
} catch {
  process.exit(1);
}
