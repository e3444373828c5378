/**
 * Checks the types of the pod fields that injection reads. Pods from a file need this check. The API server has already
 * validated a pod that the webhook receives.
 */
import { isObject, jsonText } from '../lib/json.ts';

/** Returns an error text for each field of a wrong type. */
export function shapeProblems(pod: unknown): string[] {
  const problems: string[] = [];
  const check = new ShapeCheck(problems);
  const root = check.mapping('the pod', pod);
  const metadata = check.mapping('metadata', root.metadata);
  for (const field of ['labels', 'annotations']) {
    check.texts(`metadata.${field}`, metadata[field]);
  }
  const spec = check.mapping('spec', root.spec);
  for (const field of ['initContainers', 'containers']) {
    for (const { path, item } of check.named(`spec.${field}`, spec[field])) {
      check.named(`${path}.env`, item.env);
      check.list(`${path}.ports`, item.ports);
      check.named(`${path}.volumeMounts`, item.volumeMounts);
    }
  }
  check.named('spec.volumes', spec.volumes);
  check.list('spec.imagePullSecrets', spec.imagePullSecrets);
  return problems;
}

type Fields = Readonly<Record<string, unknown>>;

class ShapeCheck {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  /** Checks a mapping. Treats an absent value and null as an empty mapping. */
  mapping(path: string, value: unknown): Fields {
    if (value === undefined || value === null) {
      return {};
    }
    if (!isObject(value)) {
      this.#refuse(path, value, 'a mapping');
      return {};
    }
    return value;
  }

  texts(path: string, value: unknown): void {
    for (const [key, text] of Object.entries(this.mapping(path, value))) {
      if (typeof text !== 'string') {
        const example = ['boolean', 'number', 'bigint'].includes(typeof text) ? ` such as "${String(text)}"` : '';
        this.#refuse(`${path} ${key}`, text, `a string${example}`);
      }
    }
  }

  list(path: string, value: unknown): { readonly path: string; readonly item: Fields }[] {
    if (value === undefined || value === null) {
      return [];
    }
    if (!Array.isArray(value)) {
      this.#refuse(path, value, 'a list');
      return [];
    }
    return value.map((item, index) => ({ path: `${path}[${index}]`, item: this.#item(`${path}[${index}]`, item) }));
  }

  /** Checks a list whose items have names. */
  named(path: string, value: unknown): { readonly path: string; readonly item: Fields }[] {
    const items = this.list(path, value);
    for (const { path: itemPath, item } of items) {
      if (typeof item.name !== 'string') {
        this.#refuse(`${itemPath}.name`, item.name, 'a string');
      }
    }
    return items;
  }

  /** Rejects null as an item, because the code that reads lists does not expect null. */
  #item(path: string, value: unknown): Fields {
    if (value === null) {
      this.#refuse(path, value, 'a mapping');
    }
    return this.mapping(path, value);
  }

  #refuse(path: string, value: unknown, accepted: string): void {
    const got = value === undefined ? 'nothing' : jsonText(value);
    this.#problems.push(`${path} must be ${accepted}, got ${got}`);
  }
}
