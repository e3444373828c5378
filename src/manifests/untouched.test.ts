/**
 * What injection does not inject it does not change: values that other programs read otherwise than we do come out as they were written,
 * and what is taken out again leaves the same bytes.
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
    throw new Error(result.problems.join('\n'));
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

/** Lines with a place in flow style that the sidecar's parts are put into. */
const FILLED = /^(metadata: \{|.*(args: \['x'\]|namespace: x)| {2}labels: &|.*(volumes: \[\]|containers: \[\{))/;

/** Every line of the source is in the result, in order. */
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

/** Each is a file that comes back byte for byte, and whose lines are all there in between. */
const SAME: Readonly<Record<string, string>> = {
  'integers beyond 2^53, octal numbers, words and floats of other readers': `${HEAD}spec:
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
  'an order of keys and quotes that nobody else has': `# first
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
  'anchors that no place shares with the sidecar': `${HEAD}  labels: &labels {app: web, tier: yes}
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

test.each(Object.entries(SAME))('%s', (_name, source) => {
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

/** Places that are empty or null before they are filled. */
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

test.each(Object.entries(EMPTIES))('%s come back', (_name, source) => {
  const injected = inject(source);
  const bare = textOf(uninjectManifests(injected));
  expect(readDocuments(bare).map((document) => document.toJS())).toEqual(
    readDocuments(source).map((document) => document.toJS()),
  );
  expect(bare).toBe(source);
});

test('a null that is written otherwise comes back as one that is not written', () => {
  const source = `${HEAD}  labels: ~\nspec:\n  volumes: null\n  containers:\n    - name: app\n`;
  expect(textOf(uninjectManifests(inject(source)))).toBe(source.replace(' ~', '').replace(' null', ''));
});

test('words that got a comma get quotes in flow style, and lines become one', () => {
  const key = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
  const end = 'spec:\n  containers:\n    - name: app\n';
  const flow = `${HEAD}  annotations: {${key}: tmp}\n${end}`;
  expect(textOf(uninjectManifests(inject(flow)))).toBe(flow.replace(': tmp', ': "tmp"'));
  const block = `${HEAD}  annotations:\n    ${key}: >-\n      tmp\n${end}`;
  expect(textOf(uninjectManifests(inject(block)))).toBe(block.replace('>-\n      tmp', 'tmp'));
  const blanks = `${HEAD}  labels: { }\n${end}`;
  expect(textOf(uninjectManifests(inject(blanks)))).toBe(blanks.replace('{ }', '{}'));
});

test('a null that injection has no use for stays', () => {
  const source = `${HEAD}  annotations: {pannier.dev/socket: "false", pannier.dev/native: "false"}\nspec:\n  initContainers:\n  volumes: ~\n  containers:\n    - name: app\n      volumeMounts:\n`;
  const result = injectManifests(source, { ...options, config: { ...options.config, policiesConfigMap: undefined } });
  expect(textOf(result)).toContain('  volumes: ~\n');
  expect(textOf(uninjectManifests(textOf(result)))).toBe(source);
});

describe('what two places share', () => {
  test('is written out where it changes, each value as it was written', () => {
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

  test('is left shared where nothing of it changes', () => {
    const source = `${HEAD}  labels: &labels {app: yes}
spec:
  nodeSelector: *labels
  containers:
    - name: app
      x: &big 9007199254740993
      y: *big
`;
    const injected = inject(source);
    expect(injected).toContain('      y: *big\n');
    expect(injected).toContain('  nodeSelector: {app: yes}\n');
    expect(injected).not.toContain('*labels');
  });

  test('is written out where it is merged in, but for what is overridden there', () => {
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

  test('is refused, with its line, where it bears a tag', () => {
    const source = `${HEAD}spec:\n  containers:\n    - &app\n      name: app\n      x: !!binary aGk=\n  initContainers:\n    - *app\n`;
    expect(injectManifests(source, options)).toEqual({
      problems: [expect.stringMatching(/^cannot edit the file: .*, wanted .* \(line 11\)$/)],
    });
  });
});

test('any pod as JSON, in any layout, comes back byte for byte', () => {
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

/** What is empty in the pod becomes null. */
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

test('any pod with nulls in YAML, with comments behind and between, comes back byte for byte', () => {
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
