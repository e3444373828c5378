/**
 * Compares four codecs: our generated one, ts-proto, protobuf-es, and protobufjs through @grpc/proto-loader. Measures the CPU time that each codec
 * takes to decode the request of a call and to encode its response, alternately in the same run. Also measures the memory that each codec adds to a
 * process.
 *
 * 1. The benchmark builds the responses before the measurement, in the form that each library encodes. The measurement therefore excludes the time
 *    that a handler would need for `create()` and for the bigints of protobuf-es.
 * 2. All codecs return the same bytes for a response. A run fails if the bytes differ.
 *
 * Usage: `node bench/codec.ts`. `--quick` makes the run shorter. Compare the ratios, because nanoseconds depend on the machine.
 */
import { execFileSync } from 'node:child_process';
import { loadContract, methodsOf } from '../src/grpc/contract.ts';
import { type BundleName, type Codec, CodecBundles, type Codecs } from './codec/bundles.ts';
import { EXAMPLES, type Example } from './codec/examples.ts';
import { median } from './process-stats.ts';

const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 5 : 15;
/**
 * Approximate time that the slowest codec needs for one round, in ms. Each codec processes the same number of calls.
 */
const roundMs = isQuick ? 40 : 150;
const WARM_CALLS = 5_000;
const MIN_CALLS = 500;
const starts = isQuick ? 3 : 9;
const BASELINE = 'protobufjs';
const OURS = 'our codec';
const NAMES = [BASELINE, OURS, 'ts-proto', 'protobuf-es'] as const satisfies readonly BundleName[];
/** Minimum saving that justifies our own codec, in nanoseconds per call. */
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

/** Request and response in the wire format. */
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
    throw new Error('cannot measure a codec: it decoded an empty message');
  }
  const scale = 1_000 / calls;
  return { decodeNs: (decodedUs - startUs) * scale, encodeNs: (encodedUs - decodedUs) * scale };
}

/** Returns the CPU time of this process, including its garbage collection. */
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
      throw new Error(`cannot measure ${name}: it has no codec for ${path}`);
    }
    const prepared = codec.prepare(example.response, response);
    if (!response.equals(codec.encode(prepared))) {
      throw new Error(`cannot compare ${name}: it encodes ${example.name} differently`);
    }
    return { name, codec, response: prepared, costs: [] };
  });
  // These calls also make Node compile the code. The slowest codec determines the number of calls in a round.
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
    throw new Error(`cannot measure ${example.name}: the protos contain no ${example.service}/${example.method}`);
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

/** Returns the anonymous memory of a process that has used the codecs of one bundle on every example. */
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
  print(`anonymous MB above the baseline (${empty?.toFixed(1)})`, ...cells);
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
  print('does our codec save at least 1 us per call?', ...NAMES);
  for (const { example, candidates } of measured) {
    printSaved(example, candidates);
  }
  process.stdout.write('\n');
  printMemory();
} finally {
  bundles.remove();
}
