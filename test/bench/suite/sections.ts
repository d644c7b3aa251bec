/** All sections, in the order in which they run and stand on the page. */
import { attack } from './attack.ts';
import type { Section } from './section.ts';
import { services } from './services.ts';
import { stalled } from './stalled.ts';
import { throughput } from './throughput/throughput.ts';

export const sections: readonly Section[] = [throughput, stalled, services, attack];
