/**
 * One line on standard error that says that something goes on: moving on a terminal, still
 * elsewhere.
 */

const frames = ['-', '\\', '|', '/'];
const paceMs = 120;

export function startProgress(text) {
  const startedMs = performance.now();
  const seconds = () => Math.round((performance.now() - startedMs) / 1000);
  if (!process.stderr.isTTY) {
    process.stderr.write(`${text}\n`);
    return { seconds, stop() {} };
  }
  let frame = 0;
  const draw = () => {
    process.stderr.write(`\r\u001b[K${frames[frame++ % frames.length]} ${text}, ${seconds()} s`);
  };
  draw();
  const timer = setInterval(draw, paceMs);
  return {
    seconds,
    stop() {
      clearInterval(timer);
      process.stderr.write('\r\u001b[K');
    },
  };
}
