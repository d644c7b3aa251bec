/** All sections, in the order in which they run and stand on the page. */
import { attack } from './attack.ts';
import { attacks } from './attacks.ts';
import { cpu } from './cpu.ts';
import { failover } from './failover.ts';
import { growth } from './growth.ts';
import { memory } from './memory.ts';
import { openLoop } from './open-loop.ts';
import { overload } from './overload.ts';
import { profile } from './profile.ts';
import { recovery } from './recovery.ts';
import { scaleOut } from './scale-out.ts';
import type { Section } from './section.ts';
import { services } from './services.ts';
import { soak } from './soak.ts';
import { stalled } from './stalled.ts';
import { start } from './start.ts';
import { throughput } from './throughput/throughput.ts';
import { tls } from './tls.ts';
import { writes } from './writes.ts';

export const sections: readonly Section[] = [
  throughput,
  openLoop,
  overload,
  cpu,
  profile,
  writes,
  memory,
  recovery,
  start,
  growth,
  scaleOut,
  soak,
  failover,
  stalled,
  services,
  tls,
  attack,
  attacks,
];
