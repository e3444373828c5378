/**
 * Tests that every message that the troubleshooting page quotes exists: each code span in the first column of a table
 * occurs in the source code.
 *
 * `…` on the page is a wildcard. It matches an interpolation such as `${path}`, or any other text on the same line of
 * the source. Kubernetes, Helm and other programs print the texts in OTHER_PROGRAMS. The source composes the texts in
 * COMPOSED from several parts, so another test must expect each of them.
 */
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';

const page = readRepositoryFile('docs/operations/troubleshooting.md');
const sources = repositoryFiles(['src/**/*.ts', 'charts/pannier/templates/**'])
  .filter((path) => !path.endsWith('.test.ts'))
  .map(readRepositoryFile);

/** Texts of the tests, in which parts of one string on several lines are joined. */
const tests = repositoryFiles(['src/**/*.test.ts', 'test/injection/**', 'test/integration/*.test.ts'])
  .map(readRepositoryFile)
  .map((text) => text.replaceAll(/' \+\s+'/g, ''));

/** Quoted texts that other tests expect. */
const COMPOSED: readonly string[] = [
  '…: cannot inject: annotation … at … has no effect there; move it to …',
  '…: cannot inject: annotation … at … has no effect there; use --kind …',
  'cannot inject: annotation … has no effect without pannier.dev/inject; …',
  '… must have no arguments, got …; name files with --filename',
  'cannot read ConfigMap …: …',
  '… must be a string such as "true", got …',
  '… is an expression of a template; render the template first (was helm template left out?)',
];

/** Quoted texts that another program prints, and the name of this program. */
const OTHER_PROGRAMS: Readonly<Record<string, string>> = {
  'exceeded quota': 'the API server',
  'must specify limits.cpu for: pannier': 'the API server',
  'maximum memory usage per Container is': 'the API server',
  'minimum cpu usage per Container is': 'the API server',
  'must be greater than or equal to aggregate container requests': 'the API server',
  'runAsUser: Invalid value: 65532: must be in the ranges': 'the API server of OpenShift',
  'cannot unmarshal bool into Go struct field ObjectMeta.spec.template.metadata.annotations of type string':
    'kubectl and the API server',
  '.spec.template.metadata.annotations.pannier.dev/inject: expected string, got &value.valueUnstructured{Value:true}':
    'the API server',
  "Warning: Validation failed for ValidatingAdmissionPolicy 'pannier-workloads'": 'the API server',
  'kubectl apply': 'a command of kubectl',
  'cannot delete Pods with local storage': 'kubectl',
  'kubectl drain': 'a command of kubectl',
  ImagePullBackOff: 'the kubelet',
  'Init:ImagePullBackOff': 'kubectl',
  'kubectl describe pod': 'a command of kubectl',
  'container has runAsNonRoot and image has non-numeric user': 'the kubelet',
  pannier: 'the name of the container',
  'conflict occurred while applying object': 'Helm',
  'conflicts with "admissionsenforcer"': 'Helm',
  'exists and cannot be imported into the current release: invalid ownership metadata': 'Helm',
  'namespaces "..." not found': 'Helm',
  'no matches for kind "MutatingAdmissionPolicy"': 'Helm',
  'no matches for kind "Certificate" in version "cert-manager.io/v1"': 'Helm',
};

/** Returns the quoted messages: the code spans in the first cell of each row. */
function quotedTexts(): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => {
    const [, cell = ''] = row.split(' | ', 1)[0]?.split('| ') ?? [];
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
  });
}

/** Returns a pattern that matches the message within one line of the source. */
function patternOf(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(parts.join('[^\\n]+?'));
}

test('quotes at least one text in each table', () => {
  const tables = page.split('\n').filter((line) => line.startsWith('|---')).length;
  expect(quotedTexts().length).toBeGreaterThan(4 * tables);
});

test.each(quotedTexts().filter((text) => !Object.hasOwn(OTHER_PROGRAMS, text)))(
  'quotes a text of the source: %s',
  (text) => {
    const pattern = patternOf(text);
    expect((COMPOSED.includes(text) ? tests : sources).some((source) => pattern.test(source))).toBe(true);
  },
);

test('the page quotes every text of another program, and every composed text', () => {
  const quoted = new Set(quotedTexts());
  expect([...COMPOSED, ...Object.keys(OTHER_PROGRAMS)].filter((text) => !quoted.has(text))).toEqual([]);
});
