/**
 * Tests which fields and enum values of the RateLimitService the sidecar supports. The calls below contain every
 * supported field and enum value. docs/guides/rate-limiting.md ("Not supported yet") lists all others.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadContract } from '../../src/grpc/contract.ts';
import { type FieldDescriptor, FieldType, readContract } from '../../src/grpc/descriptors.ts';
import { METHOD_CODECS } from '../../src/grpc/generated/codec/methods.ts';
import { StoreError } from '../../src/lib/store-error.ts';
import {
  createServiceWorld,
  type ServiceWorld,
  serviceContext,
  testLimit,
  testPolicy,
} from '../support/rate-limit/service.ts';
import { repositoryRoot } from '../support/repository.ts';

const SERVICE = 'pannier.v1.RateLimitService';
const contract = readContract();
const methods = contract.services.get(SERVICE) ?? [];
type Loaded = { serialize(message: object): Buffer; deserialize(bytes: Buffer): Record<string, unknown> };
const loaded = loadContract() as unknown as Record<string, Loaded>;

/** `x` is the sample value of every string, including the policy. */
const POLICIES = new Map([
  testPolicy('x', [testLimit('window', { limit: 2, burst: 2 }), testLimit('leaky', { algorithm: 'leaky_bucket' })]),
  testPolicy('closed', [testLimit('window')], { onFailure: 'deny' }),
]);
const LIMIT = { name: 'a', algorithm: 5, limit: 5, windowMs: 60_000, burst: 7 };
const CHECK = { key: 'k', limits: [LIMIT] };
/** Accepted requests by method. */
const REQUESTS: Readonly<Record<string, Record<string, unknown>>> = {
  CheckRateLimit: CHECK,
  CheckRateLimits: { checks: [CHECK] },
  SettleRateLimit: { reservationId: 'x' },
  ResetRateLimit: CHECK,
};

/** Calls whose responses together contain every supported field. */
const ANSWERED: readonly { readonly method: string; readonly request: object; readonly isStoreAway?: boolean }[] = [
  { method: 'CheckRateLimit', request: { key: 'k', policy: 'x', detail: true } },
  { method: 'CheckRateLimit', request: { key: 'k', policy: 'x', detail: true } },
  { method: 'CheckRateLimit', request: { key: 'k', policy: 'x', detail: true } },
  { method: 'CheckRateLimit', request: { key: 'k', policy: 'x', cost: 3, detail: true } },
  { method: 'CheckRateLimit', request: { key: 'k', policy: 'closed' }, isStoreAway: true },
  {
    method: 'CheckRateLimits',
    request: {
      checks: [
        { key: 'k', policy: 'x' },
        { key: 'k', policy: 'unknown' },
      ],
    },
  },
  { method: 'ResetRateLimit', request: { key: 'k', policy: 'x' } },
  { method: 'SettleRateLimit', request: { reservationId: 'x', cancel: true } },
];

/** Names of fields and enum values, spelled as in the proto. */
const served = new Set<string>();
const declared = new Set<string>();

function createWorld(isStoreAway = false): ServiceWorld {
  const fail = (): Promise<never> => Promise.reject(new StoreError('unavailable', 'for the test'));
  const away = { take: fail, give: fail, reset: fail };
  return createServiceWorld({ policies: POLICIES, ...(isStoreAway ? { store: () => away } : {}) });
}

/**
 * Calls a method after encoding and decoding the request. Throws the error of the method, or of the only check in a
 * batch.
 */
async function call(world: ServiceWorld, methodName: string, request: object): Promise<Record<string, unknown>> {
  const method = methods.find(({ name }) => name === methodName);
  const codec = METHOD_CODECS.get(`/${SERVICE}/${methodName}`);
  const bytes = loaded[method?.requestType ?? '']?.serialize(request) ?? Buffer.alloc(0);
  const handlers = world.service.handlers as unknown as Record<string, (message: unknown, context: unknown) => unknown>;
  const response = await handlers[methodName]?.(codec?.decode(bytes), serviceContext(world.clock));
  const answer = loaded[method?.responseType ?? '']?.deserialize(codec?.encode(response as object) ?? Buffer.alloc(0));
  return answer ?? {};
}

function fieldsOf(messageName: string): readonly FieldDescriptor[] {
  return contract.messages.get(messageName)?.fields ?? [];
}

function enumNames(field: FieldDescriptor): readonly [string, number][] {
  // In every enum, 0 means "unspecified", so the test skips this value.
  return [...(contract.enums.get(field.typeName) ?? [])].filter(([, number]) => number !== 0);
}

function declare(messageName: string): void {
  for (const field of fieldsOf(messageName)) {
    declared.add(field.name);
    if (field.type === FieldType.MESSAGE) {
      declare(field.typeName);
    }
    for (const [name] of field.type === FieldType.ENUM ? enumNames(field) : []) {
      declared.add(name);
    }
  }
}

/** Yields at least one message for each field. Each message sets its field to a value that the field accepts. */
function* samplesOf(messageName: string, base: Record<string, unknown>): Generator<{ name: string; request: object }> {
  for (const field of fieldsOf(messageName)) {
    const { name, jsonName } = field;
    if (field.type === FieldType.MESSAGE) {
      yield { name, request: base };
      const [first = {}] = (base[jsonName] ?? []) as Record<string, unknown>[];
      for (const nested of samplesOf(field.typeName, first)) {
        yield { name: nested.name, request: { ...base, [jsonName]: [nested.request] } };
      }
    } else if (field.type === FieldType.ENUM) {
      for (const [value, number] of enumNames(field)) {
        const { burst: _, ...rest } = base;
        yield { name: value, request: { ...rest, [jsonName]: number } };
      }
    } else if (name === 'policy') {
      yield { name, request: { ...base, limits: [], policy: 'x' } };
    } else {
      const values = new Map<number, unknown>([
        [FieldType.BOOL, true],
        [FieldType.STRING, 'x'],
      ]);
      yield { name, request: { ...base, [jsonName]: values.get(field.type) ?? 5 } };
    }
  }
}

/**
 * Returns whether the method accepts the request. For CheckRateLimits, returns whether the method accepts the only
 * check of the batch.
 */
async function isAccepted(method: string, request: object): Promise<boolean> {
  try {
    const answer = await call(createWorld(), method, request);
    const [result] = (answer.results ?? []) as { error?: unknown }[];
    return result?.error === undefined || result.error === null;
  } catch {
    return false;
  }
}

function collect(messageName: string, message: Record<string, unknown>): void {
  for (const field of fieldsOf(messageName)) {
    const value = message[field.jsonName];
    const values = field.isRepeated ? (value as unknown[]) : [value];
    for (const one of values.filter((each) => each !== undefined && each !== null)) {
      if (field.type === FieldType.MESSAGE) {
        served.add(`${messageName}.${field.name}`);
        collect(field.typeName, one as Record<string, unknown>);
      } else if (one !== 0 && one !== '' && one !== false) {
        served.add(`${messageName}.${field.name}`);
      }
      for (const [name, number] of field.type === FieldType.ENUM ? enumNames(field) : []) {
        if (one === number) {
          served.add(name);
        }
      }
    }
  }
}

/**
 * Returns the fields of a response message and of all nested messages, and the values of the enums in these messages.
 */
function declaredAnswers(messageName: string): { key: string; name: string }[] {
  return fieldsOf(messageName).flatMap((field) => {
    const own = { key: `${messageName}.${field.name}`, name: field.name };
    if (field.type === FieldType.MESSAGE) {
      return [own, ...declaredAnswers(field.typeName)];
    }
    const values = field.type === FieldType.ENUM ? enumNames(field).map(([name]) => ({ key: name, name })) : [];
    return [own, ...values];
  });
}

function section(path: string, heading: string): string {
  const text = readFileSync(join(repositoryRoot, path), 'utf8');
  return text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
}

const LIST = section('docs/guides/rate-limiting.md', 'Not supported yet');

/** Returns the names that the text contains in backticks. */
let notServed: ReadonlySet<string>;

beforeAll(async () => {
  const refused = new Set<string>();
  for (const { name, requestType } of methods) {
    declare(requestType);
    for (const sample of samplesOf(requestType, REQUESTS[name] ?? {})) {
      if (await isAccepted(name, sample.request)) {
        served.add(sample.name);
      } else {
        refused.add(sample.name);
      }
    }
  }
  const world = createWorld();
  for (const { method, request, isStoreAway = false } of ANSWERED) {
    const answer = await call(isStoreAway ? createWorld(true) : world, method, request);
    collect(methods.find(({ name }) => name === method)?.responseType ?? '', answer);
  }
  const missing = methods.flatMap(({ responseType }) => {
    declare(responseType);
    return declaredAnswers(responseType).filter(({ key }) => !served.has(key));
  });
  notServed = new Set([...refused, ...missing.map(({ name }) => name)]);
});

test('the list names everything that is not served', () => {
  expect([...notServed]).toEqual(expect.arrayContaining(['ALGORITHM_CONCURRENCY', 'DECIDED_BY_NEAR', 'shadow_denied']));
  expect([...notServed].filter((name) => !new RegExp(`\`${name}\\b`).test(LIST))).toEqual([]);
});

test('the list names nothing that is served', () => {
  const named = [...LIST.matchAll(/`([A-Za-z_]+)/g)].map(([, name = '']) => name).filter((name) => declared.has(name));
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !notServed.has(name))).toEqual([]);
});
