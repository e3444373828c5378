/**
 * Tests that injection keeps all text that it does not need to change, and that uninjecting restores the same bytes.
 * Injection must not rewrite values that other YAML parsers read differently.
 */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { arbitraryPod } from '../../test/support/kubernetes/pods.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import { injectManifests, uninjectManifests } from './edit-manifests.ts';
import { readDocuments } from './yaml-documents.ts';

const options = {
  config: defaultSidecarConfig('pannier:1'),
  kubelets: { oldestMinor: undefined },
  namespaceInject: true,
};

function textOf(result: ReturnType<typeof injectManifests>): string {
  if (!('text' in result)) {
    throw new Error(result.problems.map(({ message }) => message).join('\n'));
  }
  const refusals = result.outcomes.flatMap(({ injection }) => (injection.kind === 'refuse' ? injection.problems : []));
  expect(refusals).toEqual([]);
  return result.text;
}

function inject(source: string): string {
  const text = textOf(injectManifests(source, options));
  expect(text).not.toBe(source);
  return text;
}

/** Matches lines in flow style into which injection inserts parts of the sidecar. */
const FILLED = /^(metadata: \{|.*(args: \['x'\]|namespace: x)| {2}labels: &|.*(volumes: \[\]|containers: \[\{))/;

/** Expects that the result contains every other line of the source, in order. */
function expectLinesKept(source: string, result: string): void {
  const lines = result.split('\n');
  let from = 0;
  for (const line of source.split('\n').filter((candidate) => !FILLED.test(candidate))) {
    const at = lines.indexOf(line, from);
    expect({ line, isKept: at >= 0 }).toEqual({ line, isKept: true });
    from = at + 1;
  }
}

const HEAD = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n';

/** Files that keep all lines when injected, and are restored byte for byte when uninjected. */
const SAME: Readonly<Record<string, string>> = {
  'integers beyond 2^53, and octal numbers, words and floats that parsers read differently': `${HEAD}spec:
  containers:
    - name: app
      resources: {limits: {example.com/units: 9007199254740993}}
      securityContext: {runAsUser: 18446744073709551615}
      readinessProbe: {periodSeconds: 1.0, timeoutSeconds: 1e1, failureThreshold: 0x1F}
      stdin: yes
      tty: On
  volumes:
    - name: keys
      secret: {secretName: keys, defaultMode: 0400}
    - name: more
      configMap:
        defaultMode: 0o644
        optional: ~
`,
  'block scalars, folded texts and long lines': `${HEAD}spec:
  containers:
    - name: app
      command: ["sh", "-c"]
      args:
        - |-
          # not a comment
          - name: no
            key: value

          echo 'done'
        - >+
          folded
          text


        - "one long ${'word '.repeat(60)}"
      env:
        - name: A   # behind
          value: 'it''s'
        - {name: "B", value: plain words}
`,
  'an unusual order of keys and unusual quotes': `# first
"kind": Pod
spec:
  volumes: []   # none yet
  containers:
  -   image: app:1
      "name": 'app'
      env:
        # first of all
        - value: "x"
          name: X
metadata: {annotations: {'a': "b"}, labels: {}, name: web}
apiVersion:   v1
# last
`,
  'several documents with markers, directives and comments between': `%YAML 1.1
# before
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {mode: 0644, on: yes}
...
---
# a pod
${HEAD}spec:
  containers: [{name: app}]
---
---
${HEAD}spec:
  containers:
  - name: app
...
# end
`,
  'objects in a list, with and without names': `apiVersion: v1
kind: List
items:
  # the first
  - kind: Pod
    apiVersion: v1
    metadata:
      generateName: a-   # behind
    spec:
      priority: 9007199254740993
      containers:
        - {name: app, args: ['x']}
  - {kind: ConfigMap, apiVersion: v1, metadata: {name: x}, data: {mode: 0644}}
  - apiVersion: v1
    kind: Pod
    spec:
      containers:
        # why
        - name: 'app'
  - apiVersion: v1
    kind: PodList
    items:
    - kind: Pod
      apiVersion: v1
      metadata: {name: "in", namespace: x}
      spec:
        containers:
        - name: app   # inner
`,
  'anchors and aliases outside of the changed places': `${HEAD}  labels: &labels {app: web, tier: 'yes'}
spec:
  affinity: {podAntiAffinity: {x: [{labelSelector: {matchLabels: {mode: &mode 0644}}}]}}
  nodeSelector:
    a: *mode
  containers:
    - name: app
      image: &image app:1
      securityContext: &security
        runAsUser: 9007199254740993
    - name: helper
      image: *image
      securityContext: *security
`,
  'JSON as it was written': `{"kind":"Pod", "apiVersion":"v1",
  "metadata": { "annotations": {"b":"\\u00e9\\/\\ud83d\\ude00", "a":"x"}, "creationTimestamp": null },
  "spec": {
    "priority": 9007199254740993, "terminationGracePeriodSeconds": 1.0e1,
    "containers": [ {"name":"app", "args":["\\t"],
        "securityContext": {"runAsUser": 12345678901234567890}} ]
  }
}`,
  'JSON on one line':
    '{"apiVersion":"v1","kind":"Pod","spec":{"x":9007199254740993,"containers":[{"name":"app","env":[]}]}}\n',
  'JSON with tabs':
    '{\n\t"apiVersion": "v1",\n\t"kind": "Pod",\n\t"spec": {\n\t\t"containers": [\n\t\t\t{\n\t\t\t\t"name": "app"\n\t\t\t}\n\t\t]\n\t}\n}\n',
};

test.each(Object.entries(SAME))('keeps and restores %s', (_name, source) => {
  const injected = inject(source);
  if (!source.startsWith('{')) {
    expectLinesKept(source, injected);
  }
  for (const number of source.match(/\d{16,}|\b0[0-7xo]\w+/g) ?? []) {
    expect(injected).toContain(number);
  }
  expect(textOf(uninjectManifests(injected))).toBe(source);
  const marked = `\uFEFF${source}`;
  expect(textOf(uninjectManifests(inject(marked)))).toBe(marked);
  const crlf = source.replaceAll('\n', '\r\n');
  expect(textOf(uninjectManifests(inject(crlf)))).toBe(crlf);
});

/** Files with empty values or nulls into which injection inserts parts. */
const EMPTIES: Readonly<Record<string, string>> = {
  'null metadata': 'apiVersion: v1\nkind: Pod\nmetadata:\nspec:\n  containers:\n    - name: app\n',
  'null labels and annotations': `${HEAD}  labels:\n  annotations:   # none\nspec:\n  containers:\n    - name: app\n`,
  'null lists': `${HEAD}spec:\n  initContainers:\n  volumes:\n  # why\n  containers:\n    - name: app\n      env:\n      volumeMounts:\n      ports:\n`,
  'null lists at the end': `${HEAD}spec:\n  containers:\n    - env:\n      name: app\n  volumes:`,
  'nulls in JSON':
    '{"apiVersion":"v1","kind":"Pod","metadata":null,"spec":{"volumes":null,"initContainers":null,"containers":[{"name":"app","env":null,"volumeMounts": null}]}}',
  'nulls in JSON, inside':
    '{"apiVersion":"v1","kind":"Pod","metadata":{"labels":null,"annotations":null},"spec":{"containers":[{"name":"app"}]}}',
  'nulls in flow style':
    'apiVersion: v1\nkind: Pod\nmetadata: {labels: null, annotations: null}\nspec: {containers: [{name: app, env: null}]}\n',
  'a template whose metadata is null':
    'apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    metadata:\n      creationTimestamp: null\n    spec:\n      containers:\n        - name: app\n          resources: {}\nstatus: {}\n',
};

test.each(Object.entries(EMPTIES))('restores %s', (_name, source) => {
  const injected = inject(source);
  const bare = textOf(uninjectManifests(injected));
  expect(readDocuments(bare).map((document) => document.toJS())).toEqual(
    readDocuments(source).map((document) => document.toJS()),
  );
  expect(bare).toBe(source);
});

test('restores ~ and the word null as an empty value', () => {
  const source = `${HEAD}  labels: ~\nspec:\n  volumes: null\n  containers:\n    - name: app\n`;
  expect(textOf(uninjectManifests(inject(source)))).toBe(source.replace(' ~', '').replace(' null', ''));
});

test('restores an extended value with quotes in flow style, and on one line', () => {
  const key = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
  const end = 'spec:\n  containers:\n    - name: app\n';
  const flow = `${HEAD}  annotations: {${key}: tmp}\n${end}`;
  expect(textOf(uninjectManifests(inject(flow)))).toBe(flow.replace(': tmp', ': "tmp"'));
  const block = `${HEAD}  annotations:\n    ${key}: >-\n      tmp\n${end}`;
  expect(textOf(uninjectManifests(inject(block)))).toBe(block.replace('>-\n      tmp', 'tmp'));
  const blanks = `${HEAD}  labels: { }\n${end}`;
  expect(textOf(uninjectManifests(inject(blanks)))).toBe(blanks.replace('{ }', '{}'));
});

test('keeps a null that injection does not replace', () => {
  const source = `${HEAD}  annotations: {pannier.dev/socket: "false", pannier.dev/native: "false"}\nspec:\n  initContainers:\n  imagePullSecrets: ~\n  containers:\n    - name: app\n      volumeMounts:\n`;
  const result = injectManifests(source, { ...options, config: { ...options.config, policiesConfigMap: undefined } });
  expect(textOf(result)).toContain('  imagePullSecrets: ~\n');
  expect(textOf(uninjectManifests(textOf(result)))).toBe(source);
});

describe('a value that two places share', () => {
  test('is expanded in the place that changes, with each scalar as written', () => {
    const source = `${HEAD}spec:
  containers:
    - &app
      name: app
      securityContext: {runAsUser: 9007199254740993, mode: 0644, tty: yes, of: ~}
      args: ['a, b', plain, "x:1"]
      text: |
        two
        lines
  initContainers:
    - *app
`;
    const injected = inject(source);
    expect(injected.split('9007199254740993')).toHaveLength(3);
    expect(injected.split('mode: 0644')).toHaveLength(3);
    expect(injected.split('tty: yes')).toHaveLength(3);
    expect(injected).toContain('text: "two\\nlines\\n"');
    expect(injectManifests(injected, options)).toMatchObject({ text: injected });
  });

  test('remains shared in places that do not change', () => {
    const source = `${HEAD}  labels: &labels {app: 'yes'}
spec:
  nodeSelector: *labels
  containers:
    - name: app
      x: &big 9007199254740993
      y: *big
`;
    const injected = inject(source);
    expect(injected).toContain('      y: *big\n');
    expect(injected).toContain("  nodeSelector: {app: 'yes'}\n");
    expect(injected).not.toContain('*labels');
  });

  test('is expanded instead of a merge key, without overridden pairs', () => {
    const source = `base: &base
  containers: [{name: app, securityContext: {runAsUser: 9007199254740993, mode: 0644}}]
  dnsPolicy: None
  hostname: x
${HEAD}spec:
  <<: *base
  dnsPolicy: Default
`;
    const injected = inject(source);
    expect(injected.split('runAsUser: 9007199254740993, mode: 0644')).toHaveLength(3);
    expect(injected.split('hostname: x')).toHaveLength(3);
    expect(injected.split('dnsPolicy: None')).toHaveLength(2);
    expect(readDocuments(textOf(uninjectManifests(injected)))[0]?.toJS()).toEqual(readDocuments(source)[0]?.toJS());
  });

  test('is refused with its line if it has a tag', () => {
    const source = `${HEAD}spec:\n  containers:\n    - &app\n      name: app\n      x: !!binary aGk=\n  initContainers:\n    - *app\n`;
    expect(injectManifests(source, options)).toEqual({
      problems: [
        {
          line: 11,
          column: 7,
          message:
            'cannot edit the file: a value cannot be changed in place; use block style and no aliases of values with tags',
        },
      ],
    });
  });
});

test('restores a random pod as JSON in any layout byte for byte', () => {
  const layout = fc.constantFrom(undefined, '  ', '    ', '\t');
  fc.assert(
    fc.property(arbitraryPod, layout, (pod, indent) => {
      const value = { ...pod, kind: 'Pod', apiVersion: 'v1', status: { n: 1 } };
      const source = JSON.stringify(value, null, indent).replace('"n":1', '"n":9007199254740993');
      const injected = inject(source);
      expect(() => void JSON.parse(injected)).not.toThrow();
      expect(textOf(uninjectManifests(injected))).toBe(source);
    }),
    { numRuns: 100 },
  );
});

/** Replaces empty lists and mappings with null. */
function withNulls(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 0 ? null : value.map(withNulls);
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => [key, withNulls(inner)] as const);
    return entries.length === 0 ? null : Object.fromEntries(entries);
  }
  return value;
}

test('restores a random pod with nulls and comments in YAML byte for byte', () => {
  const places = fc.array(
    fc.record({ line: fc.nat({ max: 60 }), text: fc.constantFrom('   # behind', '\n# between', '\n') }),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(arbitraryPod, places, fc.boolean(), (pod, comments, indentSeq) => {
      const value = { kind: 'Pod', apiVersion: 'v1', ...(withNulls(pod) as object) };
      const lines = stringify(value, { lineWidth: 0, nullStr: '', indentSeq })
        .split('\n')
        .map((line) => line.trimEnd());
      for (const { line, text } of comments) {
        lines[line % lines.length] += text;
      }
      const source = lines.join('\n');
      fc.pre(readDocuments(source).every((document) => document.errors.length === 0));
      expect(textOf(uninjectManifests(inject(source)))).toBe(source);
    }),
    { numRuns: 150 },
  );
});
