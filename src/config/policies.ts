/**
 * Parses a policy file (docs/reference/policies.md).
 *
 * Invariants:
 *   1. An unknown key is an error, and so is a feature that this version does not support.
 *   2. Missing keys have the values of DEFAULT_POLICY_FILE. An empty file equals DEFAULT_POLICY_FILE.
 *   3. An error affects only its part of the file: one policy, one cache namespace, or the section `sessions`. The other
 *      parts have the same values as in a file without the error.
 *   4. If a section cannot be read completely, its error also affects each name that the section does not list. An
 *      unknown key of the file affects the section that its error message suggests.
 *   5. If the file is not YAML or not a mapping with names as keys, the result has no parts.
 */
import type { Node } from 'yaml';
import { readFailureCode } from '../lib/system-code.ts';
import { suggestionFor } from './nearest.ts';
import {
  type BrokenParts,
  DEFAULT_POLICY_FILE,
  NAME_FORM,
  NAME_PATTERN,
  type NamespaceSpec,
  type PolicyFile,
  type PolicySpec,
  type SessionSpec,
} from './policy-file.ts';
import { MAX_NAMESPACES, MAX_POLICIES, TOP_KEYS } from './policy-keys.ts';
import { readNamespace, readPolicy, readSessions } from './policy-parts.ts';
import { earlier, MAX_FILE_BYTES, type MapReading, type YamlProblem, YamlReader } from './yaml-reader.ts';

/** Valid parts of a file with errors. A part is unset if the file lacks it or if it has an error. */
export interface PolicyParts {
  readonly policies: ReadonlyMap<string, PolicySpec>;
  readonly cacheNamespaces: ReadonlyMap<string, NamespaceSpec>;
  readonly cacheDefault?: NamespaceSpec;
  readonly sessions?: SessionSpec;
  readonly broken: BrokenParts<YamlProblem>;
}

export type PolicyFileResult =
  /** `hasPolicies` is true if the file has the key `policies`, even without entries. */
  | { readonly file: PolicyFile; readonly hasPolicies: boolean }
  /** `parts` is unset if the file cannot be parsed at all. */
  | { readonly problems: readonly [YamlProblem, ...YamlProblem[]]; readonly parts?: PolicyParts };

/** Formats a problem as `FILE:LINE:COLUMN: message`, which editors turn into a link. */
export function policyProblemText(path: string, problem: YamlProblem): string {
  return `${path}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** Returns the error text for a policy file that cannot be read at all. `error` may have the size of a file that is too large. */
export function unreadablePolicyText(path: string, error: unknown): string {
  if (error instanceof Object && 'bytes' in error && typeof error.bytes === 'number') {
    return `cannot read the policy file ${path}: the file must be at most ${MAX_FILE_BYTES} bytes, got ${error.bytes} bytes; remove policies`;
  }
  return `cannot read the policy file ${path}: ${readFailureCode(error)}; use a readable file`;
}

/** Maximum number of unknown keys that are compared with the names of the sections. */
const MAX_UNKNOWN_KEYS = 100;

type SectionName = (typeof TOP_KEYS.known)[number];

/** Entries of the section `policies` or `cache`. */
interface Section<Spec> {
  readonly specs: Map<string, Spec>;
  readonly broken: Map<string, YamlProblem>;
  /** Problem that may concern each name without an entry. */
  readonly others: YamlProblem | undefined;
}

interface SectionRules<Spec> {
  readonly name: SectionName;
  readonly maxEntries: number;
  /** Plural of the entries, for the error text. */
  readonly plural: string;
  readonly read: (reader: YamlReader, node: Node, path: string, name: string) => Spec | undefined;
}

const POLICIES: SectionRules<PolicySpec> = {
  name: 'policies',
  maxEntries: MAX_POLICIES,
  plural: 'policies',
  read: readPolicy,
};
const CACHE: SectionRules<NamespaceSpec> = {
  name: 'cache',
  maxEntries: MAX_NAMESPACES,
  plural: 'namespaces',
  read: readNamespace,
};

export function parsePolicyFile(text: string): PolicyFileResult {
  const reader = new YamlReader(text);
  const top = reader.root === undefined ? undefined : reader.readMap(reader.root, '', TOP_KEYS);
  const policies = readSection(reader, top, POLICIES);
  const cache = readSection(reader, top, CACHE);
  const sessionsNode = top?.entries.get('sessions');
  const read = reader.watch(() => (sessionsNode === undefined ? undefined : readSessions(reader, sessionsNode)));
  const sessions = { spec: read.value, problem: sectionProblem(top, 'sessions') ?? read.problem };
  const [first, ...others] = reader.problems.toSorted(
    (left, right) => left.line - right.line || left.column - right.column,
  );
  if (first === undefined) {
    const file: PolicyFile = {
      policies: policies.specs,
      cacheDefault: cache.specs.get('default') ?? DEFAULT_POLICY_FILE.cacheDefault,
      cacheNamespaces: withoutDefault(cache.specs),
      sessions: sessions.spec ?? DEFAULT_POLICY_FILE.sessions,
    };
    return { file, hasPolicies: top?.entries.has('policies') ?? false };
  }
  if (top === undefined || top.unnamed !== undefined) {
    return { problems: [first, ...others] };
  }
  return { problems: [first, ...others], parts: toParts(policies, cache, sessions) };
}

function toParts(
  policies: Section<PolicySpec>,
  cache: Section<NamespaceSpec>,
  sessions: { readonly spec: SessionSpec | undefined; readonly problem: YamlProblem | undefined },
): PolicyParts {
  const cacheDefault = cache.specs.get('default');
  const defaultProblem = cache.broken.get('default') ?? cache.others;
  const { spec, problem } = sessions;
  return {
    policies: policies.specs,
    cacheNamespaces: withoutDefault(cache.specs),
    ...(cacheDefault === undefined || defaultProblem !== undefined ? {} : { cacheDefault }),
    ...(spec === undefined || problem !== undefined ? {} : { sessions: spec }),
    broken: {
      policies: policies.broken,
      otherPolicies: policies.others,
      cacheNamespaces: withoutDefault(cache.broken),
      cacheDefault: defaultProblem,
      sessions: problem,
    },
  };
}

function readSection<Spec>(reader: YamlReader, top: MapReading | undefined, rules: SectionRules<Spec>): Section<Spec> {
  const node = top?.entries.get(rules.name);
  const specs = new Map<string, Spec>();
  const broken = new Map<string, YamlProblem>();
  let others = sectionProblem(top, rules.name);
  if (node === undefined) {
    return { specs, broken, others };
  }
  const { value: section, problem } = reader.watch(() => reader.readMap(node, rules.name));
  if (section === undefined) {
    return { specs, broken, others: others ?? problem };
  }
  others ??= section.unnamed;
  if (section.entries.size > rules.maxEntries) {
    const text = `must have at most ${rules.maxEntries} ${rules.plural}, got ${section.entries.size}`;
    others ??= reader.refuse(node, rules.name, text);
  }
  for (const [name, entry] of section.entries) {
    const { value, problem: own } = reader.watch(() => {
      checkName(reader, entry, rules.name, name);
      return rules.read(reader, entry, `${rules.name}.${name}`, name);
    });
    const found = earlier(own, section.problems.get(name));
    if (specs.size + broken.size >= rules.maxEntries) {
      continue;
    }
    if (found !== undefined) {
      broken.set(name, found);
    } else if (value !== undefined) {
      specs.set(name, value);
    }
  }
  for (const [name, keyProblem] of section.problems) {
    if (specs.size + broken.size < rules.maxEntries && !broken.has(name)) {
      broken.set(name, keyProblem);
    }
  }
  // A section that occurs twice is ambiguous, so that none of its entries may be used.
  return top?.problems.has(rules.name) === true
    ? { specs: new Map(), broken: new Map(), others }
    : { specs, broken, others };
}

/** Returns the problem of a key of the file that is, or probably means, the section. */
function sectionProblem(top: MapReading | undefined, section: SectionName): YamlProblem | undefined {
  const problems = top?.problems ?? new Map<string, YamlProblem>();
  const misspelt = [...problems.keys()]
    .slice(0, MAX_UNKNOWN_KEYS)
    .find((key) => suggestionFor(key, TOP_KEYS.known)?.includes(JSON.stringify(section)));
  return problems.get(section) ?? problems.get(misspelt ?? '');
}

function withoutDefault<Value>(namespaces: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...namespaces].filter(([name]) => name !== 'default'));
}

function checkName(reader: YamlReader, node: Node, parentPath: string, name: string): void {
  if (!NAME_PATTERN.test(name)) {
    reader.refuse(node, parentPath, `must have keys of ${NAME_FORM}, got ${JSON.stringify(name)}`);
  }
}
