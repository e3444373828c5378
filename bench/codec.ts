/**
 * What a call's messages cost: its request decoded and its response encoded by our generated codec, by ts-proto and by
 * protobuf-es, each beside @grpc/proto-loader (protobufjs) in the same run, in turns; and the memory of loading each.
 *
 * 1. Responses are built before the clock starts, in the form that each library encodes: what a handler would spend on
 *    `create()` of protobuf-es and its bigints is not counted.
 * 2. All codecs return the same bytes for a response; a run in which one differs fails.
 *
 * `node bench/codec.ts`; `--quick` for a short look. Compare the ratios: nanoseconds depend on the machine.
 */
import { execFileSync } from 'node:child_process';
import { loadContract, methodsOf } from '../src/grpc/contract.ts';
import { type BundleName, type Codec, CodecBundles, type Codecs } from './codec/bundles.ts';
import { EXAMPLES, type Example } from './codec/examples.ts';
import { median } from './process-stats.ts';

const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 5 : 15;
/** How long a round of one codec should take at most. */
const roundMs = isQuick ? 40 : 150;
const WARM_CALLS = 5_000;
const MIN_CALLS = 500;
const starts = isQuick ? 3 : 9;
const BASELINE = 'protobufjs';
const OURS = 'our codec';
const NAMES = [BASELINE, OURS, 'ts-proto', 'protobuf-es'] as const satisfies readonly BundleName[];
/** Our codec stays as long as it saves this much. */
const MIN_SAVED_NS = 1_000;

interface Cost {
  readonly decodeNs: number;
  readonly encodeNs: number;
}

interface Candidate {
  readonly name: string;
  readonly codec: Codec;
  readonly response: object;
  readonly costs: Cost[];
}

/** A request and a response in the wire format. */
interface Encoded {
  readonly path: string;
  readonly request: Buffer;
  readonly response: Buffer;
}

function measure({ codec, response }: Candidate, request: Buffer, calls: number): Cost {
  let seen = 0;
  const startUs = cpuUs();
  for (let call = 0; call < calls; call += 1) {
    seen += codec.decode(request) === undefined ? 0 : 1;
  }
  const decodedUs = cpuUs();
  for (let call = 0; call < calls; call += 1) {
    seen += codec.encode(response).length;
  }
  const encodedUs = cpuUs();
  if (seen < calls) {
    throw new Error('cannot bench codecs: a codec decoded nothing');
  }
  const scale = 1_000 / calls;
  return { decodeNs: (decodedUs - startUs) * scale, encodeNs: (encodedUs - decodedUs) * scale };
}

/** CPU of this process with its garbage collection: what other processes take does not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function measureExample(
  example: Example,
  { path, request, response }: Encoded,
  loaded: Map<string, Codecs>,
): Candidate[] {
  const candidates = [...loaded].map(([name, codecs]): Candidate => {
    const codec = codecs.get(path);
    if (codec === undefined) {
      throw new Error(`cannot bench ${name}: it has no codec for ${path}`);
    }
    const prepared = codec.prepare(example.response, response);
    if (!response.equals(codec.encode(prepared))) {
      throw new Error(`cannot compare ${name}: it encodes ${example.name} differently`);
    }
    return { name, codec, response: prepared, costs: [] };
  });
  // These calls also compile. The slowest codec sets how many calls a round has.
  const warm = candidates.map((candidate) => measure(candidate, request, WARM_CALLS));
  const slowestNs = Math.max(...warm.map(({ decodeNs, encodeNs }) => decodeNs + encodeNs));
  const calls = Math.max(MIN_CALLS, Math.ceil((roundMs * 1_000_000) / slowestNs));
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of candidates) {
      candidate.costs.push(measure(candidate, request, calls));
    }
  }
  return candidates;
}

function totalNs({ costs }: Candidate): number {
  return median(costs.map(({ decodeNs, encodeNs }) => decodeNs + encodeNs));
}

function encode(example: Example): Encoded {
  const method = methodsOf(contract, example.service)[example.method];
  if (method === undefined) {
    throw new Error(`cannot bench ${example.name}: the contract has no ${example.service}/${example.method}`);
  }
  const { path, requestSerialize, responseSerialize } = method;
  return { path, request: requestSerialize(example.request), response: responseSerialize(example.response) };
}

function print(name: string, ...values: readonly string[]): void {
  process.stdout.write(`${name.padEnd(44)}${values.map((value) => value.padStart(24)).join('')}\n`);
}

function printTimes(example: Example, candidates: readonly Candidate[]): void {
  const baselineNs = totalNs(candidates.find(({ name }) => name === BASELINE) as Candidate);
  const cells = candidates.map((candidate) => {
    const decodeNs = median(candidate.costs.map((cost) => cost.decodeNs));
    const encodeNs = median(candidate.costs.map((cost) => cost.encodeNs));
    return `${decodeNs.toFixed(0)} + ${encodeNs.toFixed(0)} (${(totalNs(candidate) / baselineNs).toFixed(2)})`;
  });
  print(example.name, ...cells);
}

function printSaved(example: Example, candidates: readonly Candidate[]): void {
  const oursNs = totalNs(candidates.find(({ name }) => name === OURS) as Candidate);
  const cells = candidates.map((candidate) => {
    const savedNs = totalNs(candidate) - oursNs;
    const verdict = savedNs >= MIN_SAVED_NS ? 'yes' : 'no';
    return candidate.name === OURS ? '' : `${(savedNs / 1_000).toFixed(2)} us: ${verdict}`;
  });
  print(example.name, ...cells);
}

/** The anonymous memory of a process that has used the codecs of one bundle on every example. */
function loadedMegabytes(name: BundleName): number {
  const input = JSON.stringify(
    encoded.map(({ path, request, response }) => [path, request.toString('base64'), response.toString('base64')]),
  );
  const args = ['--expose-gc', bundles.pathOf('memory-probe'), bundles.pathOf(name)];
  return Number(execFileSync(process.execPath, args, { input, encoding: 'utf8' }));
}

function printMemory(): void {
  const measured = (['empty', ...NAMES] as const).map((name) => ({ name, megabytes: [] as number[] }));
  for (let start = 0; start < starts; start += 1) {
    for (const { name, megabytes } of measured) {
      megabytes.push(loadedMegabytes(name));
    }
  }
  const [empty, ...rest] = measured.map(({ megabytes }) => median(megabytes));
  const cells = rest.map((each) => `${each.toFixed(1)} (+${(each - (empty ?? 0)).toFixed(1)})`);
  print(`anonymous MB (more than the empty ${empty?.toFixed(1)})`, ...cells);
}

const contract = loadContract();
const encoded = EXAMPLES.map(encode);
const bundles = new CodecBundles();
try {
  await bundles.build();
  const loaded = new Map<string, Codecs>();
  for (const name of NAMES) {
    loaded.set(name, await bundles.load(name));
  }
  const measured = EXAMPLES.map((example, index) => ({
    example,
    candidates: measureExample(example, encoded[index] as Encoded, loaded),
  }));
  print(`ns: decode + encode (x ${BASELINE})`, ...NAMES);
  for (const { example, candidates } of measured) {
    printTimes(example, candidates);
  }
  process.stdout.write('\n');
  print('saved by our codec: at least 1 us a call?', ...NAMES);
  for (const { example, candidates } of measured) {
    printSaved(example, candidates);
  }
  process.stdout.write('\n');
  printMemory();
} finally {
  bundles.remove();
}
