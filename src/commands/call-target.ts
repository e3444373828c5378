/**
 * Resolves the method and the address of `pannier call`, and describes all methods for `pannier call --list`.
 */
import { nearestOf } from '../config/nearest.ts';
import { parseAddress } from '../config/settings.ts';
import { type Contract, type FieldDescriptor, FieldType, type MethodDescriptor } from '../grpc/descriptors.ts';
import { mapValueOf, messageOf, shortName } from './call-json.ts';

export interface CallTarget {
  /** Full name, such as `pannier.v1.RateLimitService`. */
  readonly service: string;
  readonly method: MethodDescriptor;
}

const PACKAGE = 'pannier.v1.';
const DEFAULT_ADDRESS = '127.0.0.1:9470';

/**
 * Finds a method by `CheckRateLimit`, `RateLimitService/CheckRateLimit` or
 * `pannier.v1.RateLimitService/CheckRateLimit`.
 */
export function findMethod(contract: Contract, name: string): CallTarget | { readonly problem: string } {
  const targets = allTargets(contract);
  const found = targets.find((target) => namesOf(target).includes(name));
  if (found !== undefined) {
    return found;
  }
  const shortest = name.slice(name.lastIndexOf('/') + 1);
  const methodNames = targets.map((target) => target.method.name);
  const nearest = nearestOf(shortest, methodNames);
  const alike = methodNames.filter(
    (each) => shortest.length > 2 && each.toLowerCase().includes(shortest.toLowerCase()),
  );
  const suggestions = [...new Set(nearest === undefined ? alike : [nearest, ...alike])];
  const hint =
    suggestions.length === 0
      ? 'run "pannier call --list" to list all methods'
      : `did you mean ${suggestions.map((each) => JSON.stringify(each)).join(' or ')}?`;
  return { problem: `unknown method ${JSON.stringify(name)}; ${hint}` };
}

function allTargets(contract: Contract): CallTarget[] {
  return [...contract.services]
    .filter(([service]) => service.startsWith(PACKAGE))
    .flatMap(([service, methods]) => methods.map((method) => ({ service, method })));
}

function namesOf({ service, method }: CallTarget): string[] {
  return [method.name, `${shortName(service)}/${method.name}`, `${service}/${method.name}`];
}

/**
 * Returns the address to which grpc-js connects: the value of `--address`, or by default the listen address in the
 * settings of this environment.
 */
export function findAddress(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | { readonly problem: string } {
  const setting = environment.PANNIER_GRPC_ADDRESS || DEFAULT_ADDRESS;
  const socket = environment.PANNIER_GRPC_SOCKET;
  const isSocketAlone = option === undefined && setting === 'none' && socket !== undefined && socket !== '';
  const address = isSocketAlone ? `unix:${socket}` : (option ?? setting);
  if (/^unix:./.test(address)) {
    return address;
  }
  if (parseAddress(address) !== undefined) {
    // A server with the address `:9470` listens on all interfaces; a client connects to loopback.
    return address.startsWith(':') ? `127.0.0.1${address}` : address;
  }
  const source = option === undefined ? 'PANNIER_GRPC_ADDRESS' : '--address';
  return { problem: `${source} must be HOST:PORT or unix:PATH, got ${JSON.stringify(address)}` };
}

/** Lists every method with the fields of its request, followed by the messages and enums that those fields use. */
export function describeMethods(contract: Contract): string {
  const targets = allTargets(contract);
  const named = new Set<string>();
  const lines = targets.map(({ service, method }) => {
    const streams = method.isResponseStream ? '  (streams its responses)' : '';
    return `${shortName(service)}/${method.name}  ${describeFields(contract, method.requestType, named)}${streams}`;
  });
  lines.push('');
  // The set grows during the iteration, so that the list also contains messages that a listed message uses.
  for (const typeName of named) {
    const values = contract.enums.get(typeName);
    const what = values === undefined ? describeFields(contract, typeName, named) : [...values.keys()].join(' | ');
    lines.push(`${shortName(typeName)}: ${what}`);
  }
  return lines.join('\n');
}

function describeFields(contract: Contract, typeName: string, named: Set<string>): string {
  const fields = messageOf(contract, typeName).fields.map((field) => {
    const mapValue = mapValueOf(contract, field);
    if (mapValue !== undefined) {
      return `${field.jsonName}: map of ${typeNameOf(mapValue, named)}`;
    }
    return `${field.jsonName}: ${typeNameOf(field, named)}${field.isRepeated ? '[]' : ''}`;
  });
  return `{${fields.join(', ')}}`;
}

const SCALAR_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FieldType).map(([name, number]) => [number, name.toLowerCase()]),
);

function typeNameOf(field: FieldDescriptor, named: Set<string>): string {
  if (field.typeName === '') {
    return SCALAR_NAMES.get(field.type) ?? 'unknown';
  }
  named.add(field.typeName);
  return shortName(field.typeName);
}
