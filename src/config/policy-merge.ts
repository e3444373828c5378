/**
 * Computes the policies that take effect from the content of the policy file and from the policies that are in effect.
 * This module is pure.
 *
 * Invariants:
 *   1. The same rule applies at start and after a change. Valid parts take effect. A part with an error keeps its last
 *      valid version, or is broken if it has none.
 *   2. A file with errors removes nothing, because an error may hide a part. A part that such a file lacks keeps its last
 *      valid version.
 *   3. Defaults never replace a part with an error.
 *   4. The result has at most MAX_POLICIES policies and MAX_NAMESPACES namespaces, however often a file with errors
 *      changes.
 */
import { type PolicyParts, policyProblemText } from './policies.ts';
import { type BrokenParts, DEFAULT_POLICY_FILE, type PolicyFile, type PolicyFileProblems } from './policy-file.ts';
import { MAX_NAMESPACES, MAX_POLICIES } from './policy-keys.ts';
import type { YamlProblem } from './yaml-reader.ts';

/** Valid parts of a file, and its errors as texts that name the file. */
export type LocatedParts = Omit<PolicyParts, 'broken'> & { readonly broken: BrokenParts };

const NOTHING: Omit<LocatedParts, 'broken'> = { policies: new Map(), cacheNamespaces: new Map() };

/** Adds the path of the file to the errors. */
export function locateParts(path: string, parts: PolicyParts): LocatedParts {
  const located = (problem: YamlProblem | undefined): string | undefined =>
    problem === undefined ? undefined : policyProblemText(path, problem);
  const locatedEach = (problems: ReadonlyMap<string, YamlProblem>): Map<string, string> =>
    new Map([...problems].map(([name, problem]) => [name, policyProblemText(path, problem)]));
  const { policies, otherPolicies, cacheNamespaces, cacheDefault, sessions } = parts.broken;
  return {
    ...parts,
    broken: {
      policies: locatedEach(policies),
      otherPolicies: located(otherPolicies),
      cacheNamespaces: locatedEach(cacheNamespaces),
      cacheDefault: located(cacheDefault),
      sessions: located(sessions),
    },
  };
}

/** Returns the parts of content that cannot be read or parsed: every part has the error. */
export function unusableParts(problem: string): LocatedParts {
  return {
    ...NOTHING,
    broken: {
      policies: new Map(),
      otherPolicies: problem,
      cacheNamespaces: new Map(),
      cacheDefault: problem,
      sessions: problem,
    },
  };
}

/**
 * Returns the parts of a ConfigMap without the key of the policy file. The lifetimes of the cache and of sessions have
 * their defaults, because the ConfigMap may not be meant to contain a policy file.
 */
export function keylessParts(problem: string): LocatedParts {
  const { broken, ...parts } = unusableParts(problem);
  return { ...parts, broken: { ...broken, cacheDefault: undefined, sessions: undefined } };
}

/** Combines the parts of a file with errors with the policies in effect; `previous` is unset if no file was loaded. */
export function mergeParts(previous: PolicyFile | undefined, parts: LocatedParts): PolicyFile {
  const policies = keepMissing(parts.policies, previous?.policies, MAX_POLICIES);
  const cacheNamespaces = keepMissing(parts.cacheNamespaces, previous?.cacheNamespaces, MAX_NAMESPACES);
  const keptDefault = previous?.broken?.cacheDefault === undefined ? previous?.cacheDefault : undefined;
  const keptSessions = previous?.broken?.sessions === undefined ? previous?.sessions : undefined;
  const cacheDefault = parts.cacheDefault ?? keptDefault;
  const sessions = parts.sessions ?? keptSessions;
  const { broken } = parts;
  return {
    policies,
    cacheNamespaces,
    cacheDefault: cacheDefault ?? DEFAULT_POLICY_FILE.cacheDefault,
    sessions: sessions ?? DEFAULT_POLICY_FILE.sessions,
    broken: {
      policies: without(broken.policies, policies),
      otherPolicies: broken.otherPolicies,
      cacheNamespaces: without(broken.cacheNamespaces, cacheNamespaces),
      cacheDefault: cacheDefault === undefined ? broken.cacheDefault : undefined,
      sessions: sessions === undefined ? broken.sessions : undefined,
    },
  };
}

/** Returns the errors of a file whose valid parts take effect. */
export function problemsOf(broken: BrokenParts, texts: readonly string[]): PolicyFileProblems {
  const singles = [broken.otherPolicies, broken.cacheDefault, broken.sessions].filter((text) => text !== undefined);
  // An unknown key of the file may be an error of no part.
  return { count: Math.max(1, broken.policies.size + broken.cacheNamespaces.size + singles.length), texts };
}

function keepMissing<Spec>(
  current: ReadonlyMap<string, Spec>,
  previous: ReadonlyMap<string, Spec> | undefined,
  maxEntries: number,
): ReadonlyMap<string, Spec> {
  const merged = new Map(current);
  for (const [name, spec] of previous ?? []) {
    if (merged.size < maxEntries && !merged.has(name)) {
      merged.set(name, spec);
    }
  }
  return merged;
}

function without(problems: ReadonlyMap<string, string>, valid: ReadonlyMap<string, unknown>): Map<string, string> {
  return new Map([...problems].filter(([name]) => !valid.has(name)));
}
