/**
 * Finds policy files in Kubernetes manifests: the key `policies.yaml` of ConfigMaps. `pannier check` uses this module
 * to check the policies of a ConfigMap before the ConfigMap is applied. This module is pure.
 *
 * Invariants:
 *   1. A text is a manifest if any of its documents has the keys `apiVersion` and `kind`. Other texts are policy files.
 *   2. Documents of other kinds, and ConfigMaps without the key, are ignored, unless no ConfigMap has the key.
 *   3. Positions refer to the manifest. They are exact if the policy file is a literal block (`|`). In any other
 *      style, all errors have the position of the value, and the message contains the position in the policy file.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type Scalar } from 'yaml';
import type { YamlProblem } from './yaml-reader.ts';

/** Key of a ConfigMap that contains the policy file, which is also the name of the file in a pod. */
const POLICIES_KEY = 'policies.yaml';

interface MountedPolicyFile {
  /** Name of the ConfigMap as NAMESPACE/NAME, or NAME without a namespace. */
  readonly configMap: string;
  readonly text: string;
  /** Converts a problem of the policy file to a problem at its position in the manifest. */
  locate(problem: YamlProblem): YamlProblem;
}

export type ManifestReading =
  | { readonly kind: 'policy_file' }
  | {
      readonly kind: 'manifests';
      readonly files: readonly MountedPolicyFile[];
      readonly problems: readonly YamlProblem[];
    };

const MAX_KEYS = 10;
/** Matches a line that only a manifest has, in case the text is not valid YAML. */
const MANIFEST_LINE = /^["']?kind["']?:\s*["']?\w/m;

export function readManifests(text: string): ManifestReading {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false });
  const documents = Array.isArray(parsed) ? parsed : [];
  const errors = documents.flatMap((document) => document.errors);
  const problemAt = (offset: number, message: string): YamlProblem => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col), message };
  };
  if (errors.length > 0) {
    const problems = errors.map((error) =>
      problemAt(error.pos[0], `cannot parse the file as YAML: ${error.message.split('\n')[0]}`),
    );
    return MANIFEST_LINE.test(text) ? { kind: 'manifests', files: [], problems } : { kind: 'policy_file' };
  }
  const objects = documents.flatMap((document) => objectsIn(document.contents));
  if (!objects.some((object) => entryOf(object, 'apiVersion') !== undefined && entryOf(object, 'kind') !== undefined)) {
    return { kind: 'policy_file' };
  }
  const configMaps = objects.filter((object) => textOf(object, 'kind') === 'ConfigMap');
  const files: MountedPolicyFile[] = [];
  const problems: YamlProblem[] = [];
  for (const configMap of configMaps) {
    const value = entryOf(entryOf(configMap, 'data'), POLICIES_KEY);
    if (isScalar(value) && typeof value.value === 'string') {
      files.push(mountedFile({ configMap, value, text, lines }));
    } else if (value !== undefined) {
      const message = `data["${POLICIES_KEY}"] must be a text, got another value; write "${POLICIES_KEY}: |" above the policy file`;
      problems.push(problemAt(value.range?.[0] ?? 0, message));
    }
    const binary = entryOf(entryOf(configMap, 'binaryData'), POLICIES_KEY);
    if (binary !== undefined) {
      const message = `binaryData["${POLICIES_KEY}"] must be in data; save the policy file in UTF-8, because kubectl writes other encodings to binaryData`;
      problems.push(problemAt(binary.range?.[0] ?? 0, message));
    }
  }
  if (files.length === 0 && problems.length === 0) {
    problems.push(withoutPolicies(configMaps, problemAt));
  }
  return { kind: 'manifests', files, problems };
}

/** Returns the objects of a document, which may be a List. */
function objectsIn(root: unknown): Node[] {
  if (!isMap(root)) {
    return [];
  }
  const items = entryOf(root, 'items');
  const isList = textOf(root, 'kind')?.endsWith('List') === true && isSeq(items);
  return isList ? [root, ...(items.items as Node[])] : [root];
}

function entryOf(node: unknown, key: string): Node | undefined {
  if (!isMap(node)) {
    return undefined;
  }
  const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
  return (pair?.value ?? undefined) as Node | undefined;
}

function textOf(node: unknown, key: string): string | undefined {
  const value = entryOf(node, key);
  return isScalar(value) && typeof value.value === 'string' ? value.value : undefined;
}

function keysOf(node: unknown): string[] {
  return isMap(node) ? node.items.map((item) => (isScalar(item.key) ? String(item.key.value) : '')) : [];
}

function nameOf(configMap: Node): string {
  const metadata = entryOf(configMap, 'metadata');
  const namespace = textOf(metadata, 'namespace');
  const name = textOf(metadata, 'name') ?? '(without a name)';
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function withoutPolicies(
  configMaps: readonly Node[],
  problemAt: (offset: number, message: string) => YamlProblem,
): YamlProblem {
  const [first] = configMaps;
  if (first === undefined) {
    return problemAt(0, `the file must contain a policy file or a ConfigMap with the key ${POLICIES_KEY}, got neither`);
  }
  const data = entryOf(first, 'data');
  const keys = [...keysOf(data), ...keysOf(entryOf(first, 'binaryData'))];
  const found = keys.length === 0 ? 'no keys' : `only ${keys.slice(0, MAX_KEYS).join(', ')}`;
  const message = `the ConfigMap ${nameOf(first)} must have the key ${POLICIES_KEY}, got ${found}`;
  return problemAt((data ?? first).range?.[0] ?? 0, message);
}

function mountedFile(options: {
  readonly configMap: Node;
  readonly value: Scalar;
  readonly text: string;
  readonly lines: LineCounter;
}): MountedPolicyFile {
  const { configMap, value, text, lines } = options;
  const content = String(value.value);
  const start = lines.linePos(value.range?.[0] ?? 0);
  const contentLines = content.split('\n');
  const sourceLines = value.type === 'BLOCK_LITERAL' ? text.split('\n') : undefined;
  return {
    configMap: nameOf(configMap),
    text: content,
    locate: ({ line, column, message }) => {
      if (sourceLines === undefined) {
        const where = `line ${line}, column ${column} of ${POLICIES_KEY}`;
        return { line: start.line, column: start.col, message: `${message} (${where})` };
      }
      // The first line of a block follows the line with the indicator `|`.
      const source = (sourceLines[start.line + line - 1] ?? '').replace(/\r$/, '');
      const indentation = Math.max(0, source.length - (contentLines[line - 1] ?? '').length);
      return { line: start.line + line, column: column + indentation, message };
    },
  };
}
