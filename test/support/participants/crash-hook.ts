import process from 'node:process';

/** `wanted`: point, or point:n for its n-th passing; this process then dies as by kill -9. */
export function crashHook(wanted: string): (point: string) => void {
  const [point, times = '1'] = wanted.split(':');
  let left = Number(times);
  return (passed) => {
    if (passed !== point) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
