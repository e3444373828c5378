/**
 * Whether what stands in a file where a pod should be has the form of one, as far as injection reads it. The API server checks the pods
 * that a webhook is given; nobody has checked a file.
 */
import { isObject } from '../lib/json.ts';

/** Sentences; none: it can be injected. */
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
  return problems;
}

type Fields = Readonly<Record<string, unknown>>;

class ShapeCheck {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  /** Absent and null are empty. */
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
        this.#refuse(`${path} ${key}`, text, `a string, "${String(text)}" in quotes`);
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

  /** A list whose items bear names. */
  named(path: string, value: unknown): { readonly path: string; readonly item: Fields }[] {
    const items = this.list(path, value);
    for (const { path: itemPath, item } of items) {
      if (typeof item.name !== 'string') {
        this.#refuse(`${itemPath}.name`, item.name, 'a string');
      }
    }
    return items;
  }

  /** Unlike a field, an item of a list must not be null: the code that reads lists relies on it. */
  #item(path: string, value: unknown): Fields {
    if (value === null) {
      this.#refuse(path, value, 'a mapping');
    }
    return this.mapping(path, value);
  }

  #refuse(path: string, value: unknown, wanted: string): void {
    const found = value === undefined ? 'missing' : JSON.stringify(value);
    this.#problems.push(`cannot read ${path}: it is ${found}, wanted ${wanted}`);
  }
}
