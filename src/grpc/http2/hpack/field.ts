/**
 * A header field that knows its meaning.
 *
 * Fields live in HPACK tables and are shared by every request that refers to them, so what can be judged from name and
 * value alone (is it allowed, which role has it, what number is it) is judged once, when the field is made. Fields never
 * change.
 */
import { parseGrpcTimeout } from '../../deadline.ts';

export const Role = {
  metadata: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  contentType: 5,
  te: 6,
  timeout: 7,
  encoding: 8,
  contentLength: 9,
  /** Allowed, and of no meaning to us. */
  ignored: 10,
  /** Not allowed in a request (RFC 9113, section 8.2). */
  forbidden: 11,
} as const;

export type Role = (typeof Role)[keyof typeof Role];

/** What HPACK and SETTINGS_MAX_HEADER_LIST_SIZE count for each field on top of its name and value. */
export const FIELD_OVERHEAD_BYTES = 32;

const ROLES: ReadonlyMap<string, Role> = new Map<string, Role>([
  [':method', Role.method],
  [':scheme', Role.scheme],
  [':authority', Role.authority],
  [':path', Role.path],
  ['content-type', Role.contentType],
  ['te', Role.te],
  ['grpc-timeout', Role.timeout],
  ['grpc-encoding', Role.encoding],
  ['content-length', Role.contentLength],
  ['grpc-accept-encoding', Role.ignored],
  ['accept-encoding', Role.ignored],
  ['connection', Role.forbidden],
  ['keep-alive', Role.forbidden],
  ['proxy-connection', Role.forbidden],
  ['transfer-encoding', Role.forbidden],
  ['upgrade', Role.forbidden],
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// What a value may not hold (RFC 9113, section 8.2.1).
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const LENGTH = /^\d{1,15}$/;

export class Field {
  readonly name: string;
  /** One character per byte. */
  readonly value: string;
  readonly role: Role;
  /** Size as HPACK counts it. */
  readonly bytes: number;
  /** timeout: milliseconds; contentLength: bytes; NaN where the value is neither; 0 for all other roles. */
  readonly number: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.bytes = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.role = roleOf(name, value);
    this.number = numberOf(this.role, value);
  }
}

function roleOf(name: string, value: string): Role {
  if (BAD_VALUE.test(value)) {
    return Role.forbidden;
  }
  const known = ROLES.get(name);
  if (known === undefined) {
    return TOKEN.test(name) ? Role.metadata : Role.forbidden;
  }
  const isWrong = (known === Role.te && value !== 'trailers') || (known === Role.path && value === '');
  return isWrong ? Role.forbidden : known;
}

function numberOf(role: Role, value: string): number {
  if (role === Role.timeout) {
    return parseGrpcTimeout(value) ?? Number.NaN;
  }
  if (role === Role.contentLength) {
    return LENGTH.test(value) ? Number(value) : Number.NaN;
  }
  return 0;
}
