/** From the environment, with defaults for this machine. */
import process from 'node:process';

/** The nodes of the coordinator, with commas between them. */
export const urls: readonly string[] = (process.env['VERDICT_URLS'] ?? '127.0.0.1:7070').split(',');

/** Where the service keeps its store and its journal. */
export const dataDirectory: string = process.env['DATA_DIRECTORY'] ?? './data';
