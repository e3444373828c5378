/**
 * What a call's messages cost: its request decoded and its response encoded, by the generated codecs and by
 * @grpc/proto-loader (protobufjs) in the same run, in turns. Compare the ratios: nanoseconds are those of the machine.
 *
 * `node bench/codec.ts`; `--quick` for a short look.
 */
import { loadContract, methodsOf } from '../src/grpc/contract.ts';
import { METHOD_CODECS } from '../src/grpc/generated/codec/methods.ts';
import { median } from './process-stats.ts';

const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 5 : 15;
const callsPerRound = isQuick ? 50_000 : 200_000;

interface Example {
  readonly name: string;
  readonly service: string;
  readonly method: string;
  readonly request: object;
  readonly response: object;
}

const decision = {
  allowed: true,
  limitName: 'per-minute',
  limit: 1_000,
  remaining: 812,
  windowMs: 60_000,
  granted: 1,
  resetAfterMs: 11_280,
  decidedBy: 1,
};
const bucket = { name: 'per-minute', algorithm: 4, limit: 1_000, windowMs: 60_000 };

const EXAMPLES: readonly Example[] = [
  {
    name: 'CheckRateLimit by policy',
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimit',
    request: { policy: 'checkout', key: 'user-00000000', cost: 1 },
    response: decision,
  },
  {
    name: 'CheckRateLimit with a limit of its own',
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimit',
    request: { key: 'user-00000000', limits: [bucket] },
    response: decision,
  },
  {
    name: 'CheckRateLimits, ten',
    service: 'pannier.v1.RateLimitService',
    method: 'CheckRateLimits',
    request: { checks: Array(10).fill({ policy: 'checkout', key: 'user-00000000' }) },
    response: { results: Array(10).fill({ response: decision }) },
  },
  {
    name: 'CacheGet, a hit of 100 bytes',
    service: 'pannier.v1.CacheService',
    method: 'CacheGet',
    request: { namespace: 'pages', key: Buffer.from('front/00000000') },
    response: { outcome: 1, value: Buffer.alloc(100, 1), source: 2, version: Buffer.alloc(16, 2), ttlMs: 58_000 },
  },
  {
    name: 'CacheGet, a hit of 16 KiB',
    service: 'pannier.v1.CacheService',
    method: 'CacheGet',
    request: { namespace: 'pages', key: Buffer.from('front/00000000') },
    response: { outcome: 1, value: Buffer.alloc(16_384, 1), source: 2, version: Buffer.alloc(16, 2), ttlMs: 58_000 },
  },
  {
    name: 'GetSession, two fields',
    service: 'pannier.v1.SessionService',
    method: 'GetSession',
    request: { sessionId: `${'A'.repeat(22)}.${'B'.repeat(22)}` },
    response: {
      session: {
        sessionId: `${'A'.repeat(22)}.${'B'.repeat(22)}`,
        userId: 'user-1',
        data: { cart: Buffer.alloc(40, 1), language: Buffer.from('en') },
        version: 3,
        createdAtMs: 1_790_000_000_000,
        lastSeenAtMs: 1_790_000_000_000,
        expiresAtMs: 1_790_000_000_000,
        handle: 'h'.repeat(22),
      },
    },
  },
];

interface Codec {
  decode(bytes: Buffer): object;
  encode(response: object): Buffer;
}

/** Nanoseconds of one decode and of one encode. */
function measure(codec: Codec, request: Buffer, response: object): { decodeNs: number; encodeNs: number } {
  let seen = 0;
  const startMs = performance.now();
  for (let call = 0; call < callsPerRound; call += 1) {
    seen += Object.keys(codec.decode(request)).length;
  }
  const decodedMs = performance.now();
  for (let call = 0; call < callsPerRound; call += 1) {
    seen += codec.encode(response).length;
  }
  const encodedMs = performance.now();
  if (seen === 0) {
    throw new Error('Cannot bench codecs: nothing was decoded or encoded, wanted messages');
  }
  const scale = 1_000_000 / callsPerRound;
  return { decodeNs: (decodedMs - startMs) * scale, encodeNs: (encodedMs - decodedMs) * scale };
}

function columns(...values: readonly (string | number)[]): string {
  const [name = '', ...rest] = values;
  return `${String(name).padEnd(42)}${rest.map((value) => String(value).padStart(12)).join('')}\n`;
}

const contract = loadContract();
process.stdout.write(columns('ns: decode + encode', 'generated', 'protobufjs', 'ratio'));
for (const example of EXAMPLES) {
  const method = methodsOf(contract, example.service)[example.method];
  const generated = METHOD_CODECS.get(`/${example.service}/${example.method}`);
  if (method === undefined || generated === undefined) {
    throw new Error(`Cannot bench ${example.name}: the contract does not have it, wanted a method of its own`);
  }
  const reference: Codec = { decode: method.requestDeserialize, encode: method.responseSerialize };
  const request = method.requestSerialize(example.request);
  const ours: { decodeNs: number; encodeNs: number }[] = [];
  const theirs: { decodeNs: number; encodeNs: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(measure(generated, request, example.response));
    theirs.push(measure(reference, request, example.response));
  }
  const [ownDecode, ownEncode, decode, encode] = [ours, theirs].flatMap((runs) => [
    median(runs.map((run) => run.decodeNs)),
    median(runs.map((run) => run.encodeNs)),
  ]) as [number, number, number, number];
  process.stdout.write(
    columns(
      example.name,
      `${ownDecode.toFixed(0)} + ${ownEncode.toFixed(0)}`,
      `${decode.toFixed(0)} + ${encode.toFixed(0)}`,
      ((ownDecode + ownEncode) / (decode + encode)).toFixed(2),
    ),
  );
}
