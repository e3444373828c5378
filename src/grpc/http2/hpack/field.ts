/**
 * Header field with its role, validity and numeric value.
 *
 * HPACK tables contain fields, and all requests that refer to an entry share its field. Properties that depend only on
 * name and value are therefore computed once, when the field is created. Fields never change.
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
  /** Valid fields that we do not use. */
  ignored: 10,
  /** Fields that a request must not have (RFC 9113, section 8.2). */
  forbidden: 11,
} as const;

export type Role = (typeof Role)[keyof typeof Role];

/** Bytes that HPACK and SETTINGS_MAX_HEADER_LIST_SIZE add to the size of the name and value of each field. */
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
// Matches invalid values (RFC 9113, section 8.2.1).
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const LENGTH = /^\d{1,15}$/;

export class Field {
  readonly name: string;
  /** Value; each character represents one byte. */
  readonly value: string;
  readonly role: Role;
  /** Size of the entry as HPACK defines it (RFC 7541, section 4.1). */
  readonly bytes: number;
  /**
   * Number of milliseconds for the role `timeout`, and of bytes for the role `contentLength`; NaN if the value is
   * malformed. The number is 0 for all other roles.
   */
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
