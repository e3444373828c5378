/**
 * Tests random pods that share values through aliases: injection changes a shared value only where the sidecar needs
 * it, and converts no value.
 */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, type ManifestResult, uninjectManifests } from './edit-manifests.ts';
import { readValues } from './yaml-documents.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: true,
};

/**
 * Pairs of a number and a literal. The test replaces the number with the literal in the YAML text, because `stringify`
 * cannot write the literal.
 */
const LITERALS = [
  ['77777771', '9007199254740993'],
  ['77777772', '0644'],
] as const;

const shares = fc.record({
  /** Indexes of the shared values that each container uses. `sharingPod` lists the values. */
  containers: fc.array(fc.record({ env: fc.nat(3), mounts: fc.nat(2), resources: fc.nat(2) }), {
    minLength: 1,
    maxLength: 4,
  }),
  initCount: fc.nat(2),
  isSameContainer: fc.boolean(),
  labels: fc.nat(2),
  annotations: fc.nat(2),
  nodeSelector: fc.nat(2),
  indentSeq: fc.boolean(),
  collectionStyle: fc.constantFrom('any' as const, 'flow' as const),
});

/** Writes a random pod as YAML. An object that occurs twice becomes an anchor and an alias. */
const sharingPod = shares.map((drawn) => {
  const env = [undefined, [{ name: 'A', value: '1' }], [{ name: 'A', value: 'yes' }, { name: 'B' }], []];
  const mounts = [undefined, [{ name: 'd', mountPath: '/d' }], []];
  const resources = [undefined, { limits: { units: 77_777_771 } }, { mode: 77_777_772 }];
  const maps = [undefined, { a: 'b' }, { c: 'on' }];
  const all = drawn.containers.map((container, index) => ({
    name: `c${index}`,
    env: env[container.env],
    volumeMounts: mounts[container.mounts],
    resources: resources[container.resources],
  }));
  const inits = all.slice(1, 1 + drawn.initCount);
  const [first] = all;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', labels: maps[drawn.labels], annotations: maps[drawn.annotations] },
    spec: {
      nodeSelector: maps[drawn.nodeSelector],
      ...(inits.length > 0 ? { initContainers: drawn.isSameContainer ? [first, ...inits] : inits } : {}),
      containers: all.filter((container) => !inits.includes(container)),
    },
  };
  const { indentSeq, collectionStyle } = drawn;
  const text = stringify(pod, { version: '1.1', lineWidth: 0, keepUndefined: false, indentSeq, collectionStyle });
  return LITERALS.reduce((source, [number, literal]) => source.replaceAll(number, literal), text);
});

function textOf(result: ManifestResult): string {
  if (!('text' in result)) {
    throw new Error(JSON.stringify(result.problems));
  }
  expect(result.outcomes).toMatchObject([{ injection: { kind: expect.stringMatching('inject') } }]);
  return result.text;
}

function valuesOf(source: string): unknown {
  return readValues(source);
}

test('a pod with shared values has its original values after injecting and uninjecting', () => {
  let aliases = 0;
  fc.assert(
    fc.property(sharingPod, (source) => {
      const injected = textOf(injectManifests(source, options));
      expect(injectManifests(injected, options)).toMatchObject({ text: injected });
      const bare = textOf(uninjectManifests(injected));
      expect(valuesOf(bare)).toEqual(valuesOf(source));
      expect(injected).not.toMatch(/9007199254740992|mode"?: (644|420)\b/);
      for (const [, literal] of LITERALS) {
        expect(injected.split(literal).length).toBeGreaterThanOrEqual(source.split(literal).length);
      }
      if (/ \*a\d/.test(source)) {
        aliases += 1;
      } else {
        expect(bare).toBe(source);
      }
    }),
    { numRuns: 200 },
  );
  expect(aliases).toBeGreaterThan(20);
});
