/**
 * Generates docs/reference/api.md from the descriptor set, which contains the comments of the protos.
 *
 * 1. Every service, method, message, field, enum and enum value of package pannier.v1 is on the page, with its comment.
 * 2. The script turns a path such as docs/guides/caching.md in a comment into a link.
 */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  type MethodDescriptorProto,
  type ServiceDescriptorProto,
} from '@bufbuild/protobuf/wkt';

const PACKAGE_NAME = 'pannier.v1';
/** Proto files in the order of their sections on the page. */
const FILES = ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'];

/** Field numbers of descriptor.proto, which make up the paths of source locations. */
const PATH_OF = { message: 4, enum: 5, service: 6, field: 2, value: 2, method: 2, oneof: 8 } as const;

const HEADER = `# API reference

On this page you can look up every method, message, field and enum of the API. It is generated from the comments in
[proto/pannier/v1](../../proto/pannier/v1) by \`make docs\`, so edit the comments. The guides show how to use the API:
[rate limiting](../guides/rate-limiting.md), [sessions](../guides/sessions.md), [caching](../guides/caching.md).

- The package is \`pannier.v1\`. The full name of a method is, for example, \`pannier.v1.CacheService/CacheGet\`.
- \`bin/pannier call\`, JSON and JavaScript use lowerCamelCase names: \`window_ms\` is \`windowMs\`.
- A field without \`optional\` has its default value if it is unset: 0, false, or empty.
- [errors.md](errors.md) lists the status codes, and what a caller should do about each code. [grpc.md](grpc.md) describes deadlines,
  metadata and size limits.
`;

type Comment = (...path: readonly number[]) => string;

/** Returns the page. Throws if a service, method, field or enum value has no comment. */
export function apiMarkdown(descriptorSet: Uint8Array): string {
  const { file: files } = fromBinary(FileDescriptorSetSchema, descriptorSet);
  const sections = FILES.map((name) => {
    const file = files.find((candidate) => candidate.name === name);
    if (file === undefined) {
      throw new Error(`cannot generate the API reference: the descriptor set does not contain ${name}`);
    }
    return fileMarkdown(file);
  });
  return `${HEADER}\n${sections.join('\n')}`;
}

function fileMarkdown(file: FileDescriptorProto): string {
  const comment = commentReader(file);
  const parts = [
    ...file.service.map((service, index) => serviceMarkdown(service, index, comment)),
    ...file.messageType.map((message, index) => messageMarkdown(message, index, comment)),
    ...file.enumType.map((enumeration, index) => enumMarkdown(enumeration, index, comment)),
  ];
  return parts.join('\n');
}

function commentReader(file: FileDescriptorProto): Comment {
  const comments = new Map(
    (file.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join('.'), leadingComments]),
  );
  return (...path) => {
    const lines = (comments.get(path.join('.')) ?? '').split('\n').map((line) => line.trim());
    return lines
      .join(' ')
      .trim()
      .replaceAll(/\bdocs\/([\w/-]+\.md)/g, (_, page: string) => linkTo(page));
  };
}

/** Returns a link from docs/reference to a page below docs. */
function linkTo(page: string): string {
  const path = page.startsWith('reference/') ? page.slice('reference/'.length) : `../${page}`;
  return `[${page}](${path})`;
}

function required(text: string, name: string): string {
  if (text === '') {
    throw new Error(`cannot generate the API reference: ${name} has no comment; add one to its proto`);
  }
  return text;
}

function serviceMarkdown(service: ServiceDescriptorProto, index: number, comment: Comment): string {
  const methods = service.method.map((method, methodIndex) => {
    const text = comment(PATH_OF.service, index, PATH_OF.method, methodIndex);
    return `### ${method.name}\n\n${signature(method)}\n\n${required(text, method.name)}\n`;
  });
  const text = required(comment(PATH_OF.service, index), service.name);
  return `## ${service.name}\n\n${text}\n\n${methods.join('\n')}`;
}

function signature({ name, inputType, outputType, serverStreaming }: MethodDescriptorProto): string {
  const stream = serverStreaming ? 'stream of ' : '';
  return `\`${name}\` takes ${typeLink(inputType)} and returns ${stream === '' ? '' : 'a '}${stream}${typeLink(outputType)}.`;
}

function typeLink(typeName: string): string {
  const name = typeName.replace(`.${PACKAGE_NAME}.`, '');
  return `[${name}](#${name.toLowerCase()})`;
}

function messageMarkdown(message: DescriptorProto, index: number, comment: Comment): string {
  const rows = message.field.map((field, fieldIndex) => {
    const text = required(
      commentOfField(message, field, [index, fieldIndex], comment),
      `${message.name}.${field.name}`,
    );
    return [`\`${field.name}\``, String(field.number), typeOf(field, message), text];
  });
  const text = comment(PATH_OF.message, index);
  const table =
    rows.length === 0 ? 'This message has no fields.\n' : tableOf(['field', 'number', 'type', 'description'], rows);
  return `### ${message.name}\n\n${text === '' ? '' : `${text}\n\n`}${table}`;
}

function commentOfField(
  message: DescriptorProto,
  field: FieldDescriptorProto,
  [messageIndex, fieldIndex]: readonly [number, number],
  comment: Comment,
): string {
  const text = comment(PATH_OF.message, messageIndex, PATH_OF.field, fieldIndex);
  const oneof = field.proto3Optional ? undefined : message.oneofDecl[field.oneofIndex];
  const isInOneof = Object.hasOwn(field, 'oneofIndex') && oneof !== undefined;
  return isInOneof ? `Member of the oneof \`${oneof.name}\`. ${text}` : text;
}

function typeOf(field: FieldDescriptorProto, message: DescriptorProto): string {
  const entry = message.nestedType.find(
    ({ name, options }) => options?.mapEntry && field.typeName.endsWith(`.${name}`),
  );
  if (entry !== undefined) {
    const [key, value] = entry.field.map((each) => scalarOf(each));
    return `map of ${key} to ${value}`;
  }
  const type = field.typeName === '' ? scalarOf(field) : typeLink(field.typeName);
  if (field.proto3Optional) {
    return `optional ${type}`;
  }
  return field.label === FieldDescriptorProto_Label.REPEATED ? `repeated ${type}` : type;
}

function scalarOf({ type }: FieldDescriptorProto): string {
  return FieldDescriptorProto_Type[type].toLowerCase();
}

function enumMarkdown(enumeration: EnumDescriptorProto, index: number, comment: Comment): string {
  const rows = enumeration.value.map(({ name, number }, valueIndex) => {
    const text = required(comment(PATH_OF.enum, index, PATH_OF.value, valueIndex), name);
    return [`\`${name}\``, String(number), text];
  });
  const text = comment(PATH_OF.enum, index);
  return `### ${enumeration.name}\n\n${text === '' ? '' : `${text}\n\n`}${tableOf(['value', 'number', 'description'], rows)}`;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => {
    const escaped = cells.map((cell) => cell.replaceAll('|', '\\|'));
    return `| ${escaped.join(' | ')} |\n`;
  });
  return lines.join('');
}
