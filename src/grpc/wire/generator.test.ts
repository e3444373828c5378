/**
 * Tests that the codec generator fails for unsupported protos instead of writing a wrong codec.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateCodecs } from '../../../scripts/generate-codecs.ts';
import {
  type Contract,
  type FieldDescriptor,
  FieldType,
  type FileDescriptor,
  type MessageDescriptor,
  type MethodDescriptor,
} from '../descriptors.ts';

const FILE: FileDescriptor = { name: 'a/some.proto', bytes: Buffer.alloc(0), dependencies: [] };
const OTHER_FILE: FileDescriptor = { ...FILE, name: 'a/other.proto' };
const FIXED64 = 6;

function field(type: number, more: Partial<FieldDescriptor> = {}): FieldDescriptor {
  const name = 'some_field';
  return {
    name,
    jsonName: 'someField',
    number: 1,
    type,
    typeName: '',
    isRepeated: false,
    oneofIndex: undefined,
    ...more,
  };
}

/** Returns a contract of one service with one method whose request and response are the same message. */
function contractOf(fields: readonly FieldDescriptor[], method: Partial<MethodDescriptor> = {}): Contract {
  const entry = { isMapEntry: true, fields: [field(FieldType.INT32), field(FieldType.STRING, { number: 2 })] };
  return {
    files: new Map([[FILE.name, FILE]]),
    services: new Map([
      [
        'a.S',
        [
          {
            ...{ name: 'M', requestType: 'a.Message', responseType: 'a.Message' },
            ...{ isRequestStream: false, isResponseStream: false },
            ...method,
          },
        ],
      ],
    ]),
    messages: new Map<string, MessageDescriptor>([
      ['a.Message', { fields, isMapEntry: false }],
      ['a.Message.Entry', entry],
      ['a.Elsewhere', { fields: [], isMapEntry: false }],
    ]),
    enums: new Map(),
    fileOfSymbol: new Map([
      ['a.S', FILE],
      ['a.Message', FILE],
      ['a.Message.Entry', FILE],
      ['a.Elsewhere', OTHER_FILE],
    ]),
  };
}

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-generator-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function generate(contract: Contract): void {
  generateCodecs(contract, { codecs: directory, types: join(directory, 'types'), wire: join(directory, 'wire') });
}

test('writes one file per proto file, and the method table', () => {
  generate(contractOf([field(FieldType.STRING)]));
  expect(readdirSync(directory, { recursive: true }).toSorted()).toEqual(['a', 'a/some.ts', 'methods.ts']);
});

test.each([
  [
    'an unsupported field type',
    contractOf([field(FIXED64)]),
    'cannot generate a.Message: some_field must be one of int32, int64, bool, string, bytes, enum, message, got field type 6',
  ],
  [
    'a map whose keys are not strings',
    contractOf([field(FieldType.MESSAGE, { typeName: 'a.Message.Entry', isRepeated: true })]),
    'cannot generate a.Message: some_field must be a map from strings to values that are not messages, got another map',
  ],
  [
    'a packed 64-bit field in a response',
    contractOf([field(FieldType.INT64, { isRepeated: true })]),
    'cannot generate message.someField: a packed field of a response must be int32, got int64',
  ],
  [
    'a message of another file',
    contractOf([field(FieldType.MESSAGE, { typeName: 'a.Elsewhere' })]),
    'cannot generate a.Elsewhere: a/some.proto uses it and does not declare it; declare the message in that file',
  ],
  [
    'a client-streaming method',
    contractOf([], { isRequestStream: true }),
    'cannot generate /a.S/M: no transport supports a call that streams only requests',
  ],
  [
    'an undeclared message',
    contractOf([], { responseType: 'a.Nothing' }),
    'cannot generate a.Nothing: the contract does not declare it; use a message of the contract',
  ],
])('fails for %s', (_, contract, text) => {
  expect(() => generate(contract)).toThrow(text);
});
