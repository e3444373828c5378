/**
 * Defines the values that are lists of names, such as "a,b" in an annotation or a YAML list in the configuration.
 */
import type { Node } from 'yaml';
import type { YamlReader } from '../config/yaml-reader.ts';
import { SPACES, type ValueForm } from './value-form.ts';
import type { ValueKind } from './values.ts';

const MAX_NAMES = 16;

export interface NameList extends ValueKind<readonly string[]> {
  /** Accepted form of one name, as a phrase that follows "must be". */
  readonly acceptedName: string;
  acceptsName(name: string): boolean;
}

interface NameForm {
  readonly acceptedName: string;
  /** Names in the plural, for the description of the list. */
  readonly names: string;
  /** Regular expression for one name, without anchors. */
  readonly pattern: string;
  readonly maxLength: number;
}

function nameList({ acceptedName, names, pattern, maxLength }: NameForm): NameList {
  const item = `${SPACES}${pattern}${SPACES}`;
  // The form cannot check that the names differ, nor how many and how long they are.
  const form: ValueForm = { kind: 'patterns', patterns: [`^${item}(,${item})*$`], isExact: false };
  const acceptsName = (name: string): boolean => name.length <= maxLength && new RegExp(`^${pattern}$`).test(name);
  return {
    accepted: `1 to ${MAX_NAMES} different ${names}, separated by commas`,
    acceptedName,
    schema: { type: 'string', pattern: `^ *${pattern}( *, *${pattern})* *$` },
    form,
    acceptsName,
    read: (text) => {
      const value = text.split(',').map((name) => name.trim());
      const isValid = value.length <= MAX_NAMES && new Set(value).size === value.length && value.every(acceptsName);
      return isValid ? { value } : { problems: [] };
    },
  };
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

export const pullSecretNames: NameList = nameList({
  acceptedName: "the name of a Secret in the pod's namespace (lower-case letters, digits, - and .)",
  names: "names of Secrets in the pod's namespace (lower-case letters, digits, - and .)",
  pattern: `${LABEL}([.]${LABEL})*`,
  maxLength: 253,
});

export const containerNames: NameList = nameList({
  acceptedName: 'the name of a container (lower-case letters, digits and -)',
  names: 'names of containers (lower-case letters, digits and -)',
  pattern: LABEL,
  maxLength: 63,
});

/** Reads a list of names from the configuration. A missing key is an empty list. */
export function readNames(
  reader: YamlReader,
  { node, path, kind }: { node: Node | undefined; path: string; kind: NameList },
): readonly string[] {
  const nodes = node && reader.list(node, path, { min: 0, max: MAX_NAMES });
  const names: string[] = [];
  for (const [index, item] of (nodes ?? []).entries()) {
    const itemPath = `${path}[${index}]`;
    const name = reader.text(item, itemPath, kind.acceptedName);
    if (name === undefined) {
      continue;
    }
    if (!kind.acceptsName(name)) {
      reader.fail(item, itemPath, kind.acceptedName);
    } else if (names.includes(name)) {
      reader.refuse(item, itemPath, `must be different from the other names, got ${JSON.stringify(name)} again`);
    } else {
      names.push(name);
    }
  }
  return names;
}
