/**
 * Tests that an error contains the exact value of an int64 field above 2^53. The test covers every int64 field of every
 * request on both transports. The test reads the fields from the descriptors, so it also covers new fields.
 */
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import { loadContract } from '../../src/grpc/contract.ts';
import { type FieldDescriptor, FieldType, readContract } from '../../src/grpc/descriptors.ts';
import { Status } from '../../src/grpc/status.ts';
import { connectRaw, type RawClient } from '../support/grpc/raw-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const VALUES = ['9223372036854775807', '9007199254740993', '-9223372036854775808', '-9007199254740993'];
const contract = readContract();
const loaded = loadContract();

const LIMIT = { name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 10, windowMs: 1_000 };
const CHECK = { key: 'k', limits: [LIMIT] };
const SESSION_ID = 'x'.repeat(40);
/** Valid requests by method. Each test sets its field in one of these requests. */
const REQUESTS: Readonly<Record<string, object>> = {
  CheckRateLimit: CHECK,
  CheckRateLimits: { checks: [CHECK] },
  SettleRateLimit: { reservationId: 'x' },
  ResetRateLimit: CHECK,
  CreateSession: { userId: 'u' },
  UpdateSession: { sessionId: SESSION_ID },
  RotateSession: { sessionId: SESSION_ID },
  CacheSet: { key: Buffer.from('k'), value: Buffer.from('v') },
  ConfirmInvalidations: {},
};

/** Fields that accept any number. The call therefore succeeds. */
const ACCEPTED = new Set([
  // ResetRateLimit uses only the name, the algorithm and the window of a limit. It ignores the other fields.
  'ResetRateLimit limits.limit',
  'ResetRateLimit limits.burst',
  'ResetRateLimit limits.hold_ms',
  // For an unknown watch id, the call succeeds with a response that confirms nothing.
  'ConfirmInvalidations watch_id',
]);

interface IntegerField {
  readonly service: string;
  readonly method: string;
  readonly requestType: string;
  readonly path: readonly FieldDescriptor[];
}

function integerFieldsOf(messageName: string, before: readonly FieldDescriptor[] = []): (readonly FieldDescriptor[])[] {
  const fields = contract.messages.get(messageName)?.fields ?? [];
  return fields.flatMap((field) => {
    const path = [...before, field];
    if (field.type === FieldType.MESSAGE) {
      return integerFieldsOf(field.typeName, path);
    }
    return field.type === FieldType.INT64 || field.type === FieldType.UINT64 ? [path] : [];
  });
}

const integerFields = [...contract.services]
  .filter(([service]) => service.startsWith('pannier.v1.'))
  .flatMap(([service, methods]) =>
    methods.flatMap(({ name, requestType }) =>
      integerFieldsOf(requestType).map((path): IntegerField => ({ service, method: name, requestType, path })),
    ),
  );

function pathText({ path }: IntegerField): string {
  return path.map(({ name }) => name).join('.');
}

/**
 * Returns the valid request with this field set to the value. If the field belongs to a repeated message, sets it in
 * the first element.
 */
function requestWith(
  base: Record<string, unknown>,
  [field, ...rest]: readonly FieldDescriptor[],
  value: string,
): object {
  if (field === undefined) {
    return base;
  }
  if (rest.length === 0) {
    return { ...base, [field.jsonName]: value };
  }
  const [first = {}, ...others] = (base[field.jsonName] ?? []) as Record<string, unknown>[];
  return { ...base, [field.jsonName]: [requestWith(first, rest, value), ...others] };
}

test('finds nested fields and fields of all services', () => {
  const names = integerFields.map((field) => `${field.method} ${pathText(field)}`);
  expect(names).toEqual(
    expect.arrayContaining(['CheckRateLimits checks.limits.window_ms', 'UpdateSession if_version', 'CacheSet ttl_ms']),
  );
});

describe.each(['http2', 'grpc-js'])('on %s', (transport) => {
  let sidecar: Sidecar;
  let client: RawClient;

  beforeAll(async () => {
    sidecar = await startSidecar({ PANNIER_GRPC_TRANSPORT: transport });
    client = connectRaw(sidecar.address);
  }, 60_000);

  afterAll(async () => {
    client?.close();
    await sidecar?.stop();
  });

  /** Returns the outcome of a call, or of the only check in a batch. */
  async function outcomeOf(field: IntegerField, value: string): Promise<{ code: number; message: string }> {
    const base = REQUESTS[field.method] as Record<string, unknown>;
    const type = loaded[field.requestType] as MessageTypeDefinition<object, object>;
    const bytes = type.serialize(requestWith(base, field.path, value));
    const answer = await client.unary(`/${field.service}/${field.method}`, bytes, { deadlineMs: 10_000 });
    if (field.method !== 'CheckRateLimits' || answer.bytes === undefined) {
      return { code: answer.code, message: answer.details };
    }
    const responseType = loaded['pannier.v1.CheckRateLimitsResponse'] as MessageTypeDefinition<object, object>;
    const response = responseType.deserialize(answer.bytes) as {
      results: { error?: { code: number; message: string } }[];
    };
    return response.results[0]?.error ?? { code: Status.OK, message: '' };
  }

  test.each(integerFields.map((field) => [field.method, pathText(field), field] as const))(
    '%s returns the exact number of %s in its error',
    async (method, path, field) => {
      const name = field.path.at(-1)?.name ?? '';
      expect(REQUESTS).toHaveProperty(method);
      for (const value of VALUES) {
        const { code, message } = await outcomeOf(field, value);
        const echoed = /-?\d{16,}/g[Symbol.match](message.replace(/^.*, got /, '')) ?? [];
        if (ACCEPTED.has(`${method} ${path}`)) {
          expect({ value, code }).toEqual({ value, code: Status.OK });
        } else if (code === Status.UNIMPLEMENTED) {
          // The error for an unsupported option contains the name of the option, but not its value.
          expect({ value, echoed, message }).toEqual({ value, echoed: [], message: expect.stringContaining(name) });
        } else {
          expect({ value, code, echoed }).toEqual({ value, code: Status.INVALID_ARGUMENT, echoed: [value] });
          expect(message).toContain(name);
        }
      }
    },
  );
});
