/**
 * Compares the generated codecs with @grpc/proto-loader (protobufjs): all requests and responses of the contract, and
 * every message in both directions. To test single messages, the test generates codecs for echo methods.
 *
 * For arbitrary bytes, the expected result is the message that protobufjs decodes from the canonical form of the bytes.
 * test/support/grpc/wire-canonical.ts explains why.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import fc from 'fast-check';
import { generateCodecs } from '../../../scripts/generate-codecs.ts';
import { mutate, type SeededRandom, seededRandom } from '../../../test/support/grpc/mutations.ts';
import { canonicalMessage } from '../../../test/support/grpc/wire-canonical.ts';
import { messagesOf } from '../../../test/support/grpc/wire-messages.ts';
import { repositoryRoot } from '../../../test/support/repository.ts';
import { loadContract } from '../contract.ts';
import { type Contract, type MethodDescriptor, readContract } from '../descriptors.ts';
import { METHOD_CODECS } from '../generated/codec/methods.ts';
import type { MethodCodec } from './codec.ts';
import { setEntry } from './reader.ts';

const contract = readContract();
const loaded = loadContract();
/** Top-level messages. Map entries and nested messages are covered by the messages that contain them. */
const messageNames = [...contract.messages.keys()].filter((name) => loaded[name] !== undefined);
const RUNS_PER_MESSAGE = 600;

interface Reference {
  serialize(message: object): Buffer;
  deserialize(bytes: Buffer): object;
}

function referenceOf(messageName: string): Reference {
  return loaded[messageName] as MessageTypeDefinition<object, object>;
}

/** Returns a contract with one service per file and one echo method per message. */
function echoContract(): Contract {
  const services = new Map<string, MethodDescriptor[]>();
  const fileOfSymbol = new Map(contract.fileOfSymbol);
  for (const name of messageNames) {
    const file = contract.fileOfSymbol.get(name);
    if (file === undefined) {
      throw new Error(`cannot test ${name}: no file of the contract declares it`);
    }
    const service = `echo.${file.name}`;
    fileOfSymbol.set(service, file);
    const method = { name, requestType: name, responseType: name, isRequestStream: false, isResponseStream: false };
    services.set(service, [...(services.get(service) ?? []), method]);
  }
  return { ...contract, services, fileOfSymbol };
}

/** Returns the codecs of the echo methods by message name. */
async function generateEchoCodecs(): Promise<Map<string, MethodCodec>> {
  const directory = mkdtempSync(join(tmpdir(), 'pannier-codecs-'));
  try {
    const grpc = join(repositoryRoot, 'src', 'grpc');
    generateCodecs(echoContract(), { codecs: directory, types: join(grpc, 'generated'), wire: join(grpc, 'wire') });
    const module = (await import(join(directory, 'methods.ts'))) as { METHOD_CODECS: ReadonlyMap<string, MethodCodec> };
    return new Map([...module.METHOD_CODECS].map(([path, codec]) => [path.split('/').at(-1) ?? '', codec]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const echoCodecs = await generateEchoCodecs();

interface Direction {
  readonly messageName: string;
  readonly codec: MethodCodec;
}

function directionsOf(which: 'requestType' | 'responseType'): Direction[] {
  const directions = [...contract.services].flatMap(([service, methods]) =>
    methods.map((method) => {
      const codec = METHOD_CODECS.get(`/${service}/${method.name}`);
      if (codec === undefined) {
        throw new Error(`cannot test ${service}/${method.name}: it has no codec`);
      }
      return { messageName: method[which], codec };
    }),
  );
  return [...directions, ...[...echoCodecs].map(([messageName, codec]) => ({ messageName, codec }))];
}

const requests = directionsOf('requestType');
const responses = directionsOf('responseType');

/** Flips a random bit with a probability of 3/4. The bit may be part of a tag, a length, a number or a string. */
function flipBit(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(Math.max(1, bytes.length));
  if (at < bytes.length && random.below(4) > 0) {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  }
  return bytes;
}

/** Returns the decoded message, or undefined if decoding throws. */
function outcomeOf(decode: () => object): object | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

/** Rounds integers beyond 2^53 as protobufjs does. Our decoders return such integers as bigints. */
function rounded(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return Number(value);
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(rounded);
  }
  const copy = Object.create(Object.getPrototypeOf(value)) as Record<string, unknown>;
  for (const [key, each] of Object.entries(value)) {
    setEntry(copy, key, rounded(each));
  }
  return copy;
}

/**
 * Compares values like toEqual, but also compares prototypes, keys and number types. The comparison is faster than
 * toEqual if the values are equal.
 */
function expectSame(found: unknown, expected: unknown, input: string): void {
  if (!isDeepStrictEqual(found, expected)) {
    expect({ input, found }).toEqual({ input, found: expected });
    throw new Error(`cannot accept ${input}: the objects differ in prototypes, keys or number types`);
  }
}

function shown(bytes: Buffer): string {
  return bytes.toString('hex');
}

test('every method has a codec, and every message has an echo codec', () => {
  const methods = [...contract.services.values()].flat();
  expect(METHOD_CODECS.size).toBe(methods.length);
  expect([...echoCodecs.keys()].toSorted()).toEqual(messageNames.toSorted());
});

test.each(requests)('decodes $messageName as protobufjs does', ({ messageName, codec }) => {
  const reference = referenceOf(messageName);
  fc.assert(
    fc.property(messagesOf(contract, messageName), (message) => {
      const bytes = reference.serialize(message);
      expectSame(rounded(codec.decode(bytes)), reference.deserialize(bytes), shown(bytes));
    }),
    { numRuns: 150 },
  );
});

test.each(responses)('encodes $messageName so that protobufjs decodes the same message', ({ messageName, codec }) => {
  const reference = referenceOf(messageName);
  fc.assert(
    fc.property(messagesOf(contract, messageName), (message) => {
      const bytes = codec.encode(message);
      expectSame(reference.deserialize(bytes), reference.deserialize(reference.serialize(message)), shown(bytes));
    }),
    { numRuns: 150 },
  );
});

describe('arbitrary bytes', () => {
  let decoded = 0;
  let refused = 0;

  test.each(requests)(
    'decode as $messageName like their canonical form in protobufjs, or throw in both',
    (direction) => {
      const { messageName, codec } = direction;
      const reference = referenceOf(messageName);
      const random = seededRandom(messageName.length);
      const samples = fc.sample(messagesOf(contract, messageName), { numRuns: 50, seed: 4 });
      const good = samples.map((message) => reference.serialize(message)).filter((bytes) => bytes.length < 2_000);
      for (let run = 0; run < RUNS_PER_MESSAGE; run += 1) {
        const [one, other] = [good[random.below(good.length)], good[random.below(good.length)]] as [Buffer, Buffer];
        const bytes = run % 2 === 0 ? mutate(one, random) : flipBit(Buffer.concat([one, other]), random);
        const expected = outcomeOf(() => reference.deserialize(canonicalMessage(contract, messageName, bytes)));
        const found = outcomeOf(() => rounded(codec.decode(bytes)) as object);
        expectSame(found, expected, shown(bytes));
        decoded += found === undefined ? 0 : 1;
        refused += found === undefined ? 1 : 0;
      }
    },
  );

  test('were often valid messages and often invalid', () => {
    expect(decoded).toBeGreaterThan((requests.length * RUNS_PER_MESSAGE) / 5);
    expect(refused).toBeGreaterThan((requests.length * RUNS_PER_MESSAGE) / 5);
  });
});
