/**
 * Tests that the descriptor set agrees with the protos, and that the reader handles any descriptor set.
 */
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { loadContract, methodsOf, PROTO_FILES } from './contract.ts';
import { FieldType, parseDescriptorSet, readContract } from './descriptors.ts';

interface FieldOfType {
  readonly name: string;
  readonly number: number;
}

describe('the descriptor set of the contract', () => {
  const loaded = loadContract();
  const contract = readContract();

  test('has every file of the contract and its imports', () => {
    for (const file of PROTO_FILES) {
      expect(contract.files.has(file)).toBe(true);
    }
    for (const file of contract.files.values()) {
      expect(file.dependencies.filter((name) => !contract.files.has(name))).toEqual([]);
    }
  });

  test('has the same methods, kinds and types as the protos', () => {
    const fromSet: string[] = [];
    for (const [service, methods] of contract.services) {
      for (const { name, isRequestStream, isResponseStream } of methods) {
        fromSet.push(`/${service}/${name} ${isRequestStream} ${isResponseStream}`);
      }
    }
    const services = Object.keys(loaded).filter((name) => !('format' in (loaded[name] as object)));
    const fromProtos = services.flatMap((service) =>
      Object.values(methodsOf(loaded, service)).map(
        (each) => `${each.path} ${each.requestStream} ${each.responseStream}`,
      ),
    );
    expect(fromSet.toSorted()).toEqual(fromProtos.toSorted());
  });

  test('has the same message fields as the protos', () => {
    const names = Object.keys(loaded).filter((name) => 'format' in (loaded[name] as object));
    let compared = 0;
    for (const name of names) {
      const { type } = loaded[name] as MessageTypeDefinition<object, object>;
      const { field } = type as { field?: FieldOfType[] };
      if (field === undefined) {
        expect(contract.enums.has(name)).toBe(true);
        continue;
      }
      // The test compares only the fields that protobufjs returns, because protobufjs loses map fields and returns
      // names in lowerCamelCase.
      const fields = contract.messages.get(name)?.fields ?? [];
      const numbers = new Map(fields.map((each) => [each.jsonName, each.number]));
      for (const each of field) {
        expect([name, each.name, numbers.get(each.name)]).toEqual([name, each.name, each.number]);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(100);
  });

  test('marks the entry type of a map of bytes', () => {
    const entry = contract.messages.get('pannier.v1.CreateSessionRequest.DataEntry');
    expect(entry?.isMapEntry).toBe(true);
    expect(entry?.fields.map((field) => field.type)).toEqual([FieldType.STRING, FieldType.BYTES]);
  });
});

describe('any descriptor set', () => {
  function setOf(files: object[]): Buffer {
    const message = descriptor.FileDescriptorSet.fromObject({ file: files });
    return Buffer.from(descriptor.FileDescriptorSet.encode(message).finish());
  }

  const base = { name: 'base.proto', package: '', messageType: [{ name: 'Base' }] };
  const outer = {
    name: 'a/outer.proto',
    package: 'a.b',
    dependency: ['base.proto'],
    messageType: [
      {
        name: 'Outer',
        field: [
          {
            name: 'some_field',
            jsonName: 'someField',
            number: 536_870_911,
            label: 3,
            type: 11,
            typeName: '.a.b.Outer.Inner',
          },
        ],
        nestedType: [{ name: 'Inner', enumType: [{ name: 'Deep', value: [{ name: 'DEEP_ONE', number: 300 }] }] }],
      },
    ],
    enumType: [{ name: 'Top', value: [{ name: 'TOP_ZERO', number: 0 }] }],
    service: [
      { name: 'S', method: [{ name: 'M', inputType: '.Base', outputType: '.a.b.Outer', serverStreaming: true }] },
    ],
  };

  test('is read with scopes, nested types and imports', () => {
    const contract = parseDescriptorSet(setOf([base, outer]));
    expect([...contract.files.keys()]).toEqual(['base.proto', 'a/outer.proto']);
    expect(contract.files.get('a/outer.proto')?.dependencies).toEqual(['base.proto']);
    expect(contract.messages.get('a.b.Outer')?.fields[0]).toEqual({
      name: 'some_field',
      jsonName: 'someField',
      number: 536_870_911,
      type: FieldType.MESSAGE,
      typeName: 'a.b.Outer.Inner',
      isRepeated: true,
    });
    expect(contract.enums.get('a.b.Outer.Inner.Deep')).toEqual(new Map([['DEEP_ONE', 300]]));
    expect(contract.services.get('a.b.S')).toEqual([
      { name: 'M', requestType: 'Base', responseType: 'a.b.Outer', isRequestStream: false, isResponseStream: true },
    ]);
    const symbols = [
      'Base',
      'a.b.Outer',
      'a.b.Outer.some_field',
      'a.b.Outer.Inner.DEEP_ONE',
      'a.b.TOP_ZERO',
      'a.b.S.M',
    ];
    const names = symbols.map((symbol) => contract.fileOfSymbol.get(symbol)?.name);
    expect(names).toEqual(['base.proto', ...Array(5).fill('a/outer.proto')]);
  });

  test('is read without its unknown fields, and rejected if its bytes are malformed', () => {
    const unknown = Buffer.from([0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4, 0x78, 0xff, 1]);
    const contract = parseDescriptorSet(Buffer.concat([unknown, setOf([base])]));
    expect([...contract.messages.keys()]).toEqual(['Base']);
    expect(() => parseDescriptorSet(Buffer.from([0x0b]))).toThrow(
      'cannot read the descriptor set: wire type 3 at byte 1 is not supported; run make proto',
    );
    expect(() => parseDescriptorSet(Buffer.from([0x80]))).toThrow();
  });

  test('is empty if it has no bytes', () => {
    expect(parseDescriptorSet(Buffer.alloc(0)).files.size).toBe(0);
  });
});
