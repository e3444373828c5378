/**
 * Tests the pages about Kubernetes without a cluster: the quick start has five commands, readers find each subject, and
 * the annotations in YAML examples are valid. test/kubernetes/quick-start.test.ts runs the quick start, and
 * test/chart/page-values.test.ts renders the chart with the values on the pages.
 */
import { parseAllDocuments } from 'yaml';
import { parseAnnotations } from '../../src/injection/annotations.ts';
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';
import { readFences } from './executable-page.ts';
import { KUBERNETES_PAGE, readQuickStart } from './quick-start.ts';

const EXAMPLE = 'examples/kubernetes/shop.yaml';
const OPERATIONS = repositoryFiles(['docs/operations/*.md']);
const PAGES = [...OPERATIONS, 'README.md', 'docs/reference/annotations.md', 'docs/getting-started.md'];
const KUBERNETES_PAGES = [
  'admission',
  'configuration',
  'kubernetes',
  'mesh',
  'platforms',
  'quotas',
  'troubleshooting',
  'upgrading',
].map((name) => `${name}.md`);
const PREFIX = 'pannier.dev/';

/** Words that readers search for. */
const SUBJECTS = [
  'kind',
  'minikube',
  'OpenShift',
  'AKS',
  'EKS',
  'GKE',
  'Private registries',
  'GitOps',
  'Knative',
  'Istio',
  'Linkerd',
  'kubectl drain',
  'ResourceQuota',
  'LimitRange',
  'Pod-level',
  'QoS',
  'Upgrade and rollback',
];

describe('the quick start', () => {
  const quickStart = readQuickStart();

  test('loads the images that its first command builds, into kind and into minikube', () => {
    expect(quickStart.build).toBe('make image image-example');
    const makefile = readRepositoryFile('Makefile');
    const built = ['IMAGE', 'EXAMPLE_IMAGE'].map(
      (name) => new RegExp(`^${name} \\?= (\\S+)$`, 'm').exec(makefile)?.[1],
    );
    expect(quickStart.load).toBe(`kind load docker-image ${built.join(' ')}`);
    expect(quickStart.loadIntoMinikube).toBe(`minikube image load ${built.join(' ')}`);
  });

  test('applies the example that the page shows', () => {
    expect(quickStart.apply).toContain(`kubectl apply -f ${EXAMPLE} `);
    const shown = readFences(readRepositoryFile(KUBERNETES_PAGE)).filter(({ language }) => language === 'yaml');
    expect(shown.map(({ text }) => text)).toContain(readRepositoryFile(EXAMPLE));
  });
});

test.each(SUBJECTS)('a heading or the index names %s', (subject) => {
  const headings = OPERATIONS.flatMap((path) => readRepositoryFile(path).match(/^#+ .*$/gm) ?? []);
  const index = readRepositoryFile('docs/README.md').split('\n');
  const pattern = new RegExp(`\\b${subject}\\b`, 'i');
  expect([...headings, ...index].filter((line) => pattern.test(line))).not.toEqual([]);
});

test.each(KUBERNETES_PAGES)(
  'docs/operations/%s begins with what the reader can do, and has at most 300 lines',
  (name) => {
    const lines = readRepositoryFile(`docs/operations/${name}`).split('\n');
    expect(lines[2]).toMatch(/^After reading this page you /);
    expect(lines.length).toBeLessThanOrEqual(300);
  },
);

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns every mapping below a key `annotations`, at any depth. */
function annotationsIn(value: unknown): Mapping[] {
  if (Array.isArray(value)) {
    return value.flatMap(annotationsIn);
  }
  if (!isMapping(value)) {
    return [];
  }
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key === 'annotations' && isMapping(inner) ? [inner] : []),
    ...annotationsIn(inner),
  ]);
}

const examples = PAGES.flatMap((page) =>
  readFences(readRepositoryFile(page))
    .filter(({ language }) => language === 'yaml')
    .map(({ line, text }) => ({ at: `${page}:${line}`, text })),
);

test.each(examples)('the YAML at $at is valid, and so are its annotations', ({ text }) => {
  for (const document of parseAllDocuments(text)) {
    expect(document.errors).toEqual([]);
    for (const annotations of annotationsIn(document.toJS())) {
      const ours = Object.entries(annotations).filter(([name]) => name.startsWith(PREFIX));
      expect(ours.filter(([, value]) => typeof value !== 'string')).toEqual([]);
      const result = parseAnnotations(Object.fromEntries(ours) as Record<string, string>);
      expect('problems' in result ? result.problems : []).toEqual([]);
    }
  }
});

test('the examples contain annotations', () => {
  const names = examples.flatMap(({ text }) => [...text.matchAll(/pannier\.dev\/[\w-]+/g)].map(([name]) => name));
  expect(new Set(names).size).toBeGreaterThan(5);
});
