/**
 * Loads one bundle of codecs, uses it on every example, and prints the anonymous memory of this process in MB.
 *
 * Usage: `node --expose-gc memory-probe.mjs BUNDLE`. Standard input contains a `[path, request, response]` per example, in base64.
 */
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { anonymousMegabytes } from '../process-stats.ts';
import type { Codecs } from './bundles.ts';
import { EXAMPLES } from './examples.ts';

const CALLS = 100;

const [, , bundle = ''] = process.argv;
const encoded = JSON.parse(await text(process.stdin)) as [path: string, request: string, response: string][];
const { codecs } = (await import(pathToFileURL(bundle).href)) as { codecs: Codecs };
for (const [index, [path, request, response]] of encoded.entries()) {
  const codec = codecs.get(path);
  for (let call = 0; call < CALLS && codec !== undefined; call += 1) {
    codec.decode(Buffer.from(request, 'base64'));
    codec.encode(codec.prepare(EXAMPLES[index]?.response ?? {}, Buffer.from(response, 'base64')));
  }
}
globalThis.gc?.();
globalThis.gc?.();
process.stdout.write(String(anonymousMegabytes(process.pid)));
