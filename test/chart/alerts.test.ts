/**
 * Tests that the alerts, the scrape configuration and the NetworkPolicies of the chart refer only to existing metrics,
 * labels and ports of the program.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWebhookMetrics, OUTCOMES } from '../../src/injector/webhook-metrics.ts';
import { METRICS, type MetricRow } from '../../src/observability/metric-table.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';
import { readPromql, type Selector } from '../support/kubernetes/promql.ts';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: { readonly summary: string };
}

function rulesOf(values: Values): Rule[] {
  const rule = find(render({ prometheusRule: { enabled: true }, ...values }), 'PrometheusRule', 'pannier');
  return (at(rule, 'spec.groups') as { rules: Rule[] }[]).flatMap((group) => group.rules);
}

/**
 * Labels that the Prometheus operator adds to every series. If a metric already has a label with one of these names,
 * Prometheus renames the label of the metric.
 */
const TARGET_LABELS = ['namespace', 'pod', 'container', 'job', 'instance', 'endpoint'];

interface Series {
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Returns every series that the injector or the sidecar exports, with the labels that the program sets. */
async function exportedSeries(): Promise<ReadonlyMap<string, Series>> {
  const series = new Map<string, Series>();
  for (const { name, type, labels, help } of Object.values<MetricRow>(METRICS)) {
    series.set(name, { type, labels, help });
    if (type === 'histogram') {
      for (const suffix of ['_bucket', '_sum', '_count']) {
        series.set(name + suffix, { type: 'counter', labels: [...labels, 'le'], help });
      }
    }
  }
  const metrics = createWebhookMetrics({ version: '0', webhooks: ['/mutate-pod'] });
  metrics.review('/mutate-pod', 'injected', 1);
  const text = await metrics.text();
  for (const [, name = '', labels = ''] of text.matchAll(/^(pannier_\w+)(?:\{(.*)\})? /gm)) {
    const type = new RegExp(`^# TYPE ${name} (\\w+)$`, 'm').exec(text)?.[1] ?? 'counter';
    series.set(name, { type, labels: [...labels.matchAll(/(\w+)="/g)].map((match) => match[1] ?? ''), help: '' });
  }
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (pannier_\w+) (\w+)$/gm)) {
    series.set(name, { type, labels: series.get(name)?.labels ?? [], help: '' });
  }
  return series;
}

function selectorProblems(selector: Selector, exported: ReadonlyMap<string, Series>): string[] {
  const { metric, matchers, groupings, within, isRange } = selector;
  const known = exported.get(metric);
  if (known === undefined) {
    return [`${metric} is not exported`];
  }
  const problems: string[] = [];
  const labels = [...known.labels.filter((label) => !TARGET_LABELS.includes(label)), ...TARGET_LABELS];
  for (const label of [...matchers.map((matcher) => matcher.label), ...groupings]) {
    if (!labels.includes(label)) {
      problems.push(`${metric} has no label ${label}, but ${labels.join(', ')}`);
    } else if (known.labels.includes(label) && TARGET_LABELS.includes(label)) {
      problems.push(`${metric} has its own label ${label}, which Prometheus renames`);
    }
  }
  const isRate = within[0] === 'rate' || within[0] === 'increase';
  if (isRate !== isRange || (isRate && known.type !== 'counter')) {
    problems.push(`${within[0] ?? 'nothing'} of ${metric}, a ${known.type}, ${isRange ? 'over a' : 'without a'} range`);
  }
  const outcomes = metric.startsWith('pannier_injector_') ? [...OUTCOMES] : (known.help.match(/\w+/g) ?? []);
  for (const { operator, value } of matchers.filter(({ label }) => label === 'outcome')) {
    const isMatch = (outcome: string): boolean =>
      operator === '=~' ? new RegExp(`^(?:${value})$`).test(outcome) : outcome === value;
    if (!outcomes.some(isMatch)) {
      problems.push(`${metric} has no outcome ${operator}"${value}"`);
    }
  }
  return problems;
}

async function promqlProblems(text: string): Promise<string[]> {
  const { problems, selectors } = readPromql(text);
  const exported = await exportedSeries();
  const empty = selectors.length === 0 ? [`${text} selects nothing`] : [];
  return [...problems, ...empty, ...selectors.flatMap((selector) => selectorProblems(selector, exported))];
}

const RULE_VALUES: readonly Values[] = [
  {},
  { injectionMode: 'mutating-policy' },
  { certificates: { mode: 'cert-manager' } },
  { certificates: { self: { servingCertificateLifetimeMs: 600_000 } } },
];

test.each(RULE_VALUES)('%j: alerts are valid PromQL on existing metrics and labels', async (values) => {
  const rules = rulesOf(values);
  expect(rules.length).toBe(values.injectionMode === 'mutating-policy' ? 10 : 13);
  for (const { alert, expr, annotations } of rules) {
    expect({ alert, problems: await promqlProblems(expr) }).toEqual({ alert, problems: [] });
    // The aggregation in the expression of an alert keeps only some labels. The summary of the alert may refer only to
    // the labels that remain.
    const shown = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map((match) => match[1]);
    for (const { groupings } of readPromql(expr).selectors) {
      expect({ alert, groupings }).toEqual({ alert, groupings: expect.arrayContaining(shown) });
    }
  }
});

test('PromQL in the pages uses existing metrics and labels', async () => {
  const pages = repositoryFiles(['*.md', 'docs/**/*.md', 'charts/**/*.md']);
  const quotes = pages.flatMap((page) => {
    const whole = readFileSync(join(repositoryRoot, page), 'utf8');
    // A row of the changelog for a renamed metric contains the old name before the new name. No metric has the old name
    // any more, so the test removes the old name from the text before it checks the names.
    const text = page === 'CHANGELOG.md' ? whole.replaceAll(/^\| metric \|[^|]*\|/gm, '') : whole;
    return [...text.matchAll(/`([^`\n]*\bpannier_[a-z][^`\n]*)`/g)].map((match) => ({ page, quote: match[1] ?? '' }));
  });
  expect(quotes.length).toBeGreaterThan(20);
  const problems = await Promise.all(
    quotes.map(async ({ page, quote }) => (await promqlProblems(quote)).map((problem) => `${page}: ${problem}`)),
  );
  expect(problems.flat()).toEqual([]);
});

test.each([
  ['sum by (role) (pannier_redis_up', 'cannot read'],
  ['pannier_redis_upp == 0', 'pannier_redis_upp is not exported'],
  ['pannier_redis_up{rule="state"}', 'pannier_redis_up has no label rule'],
  ['sum by (node) (pannier_redis_up)', 'pannier_redis_up has no label node'],
  ['rate(pannier_policy_reloads_total)', 'rate of pannier_policy_reloads_total, a counter, without a range'],
  ['increase(pannier_redis_up[5m])', 'increase of pannier_redis_up, a gauge'],
  ['pannier_policy_reloads_total{outcome="rejected"}', 'has no outcome ="rejected"'],
  ['sum by (namespace) (pannier_near_cache_hits_total)', 'which Prometheus renames'],
])('reports the problem of %s', async (text, problem) => {
  expect((await promqlProblems(text)).join('\n')).toContain(problem);
});

test('the certificate alert leaves time for the renewal of short-lived certificates', () => {
  const secondsOf = (values: Values): number => {
    const rule = rulesOf(values).find(({ alert }) => alert === 'PannierInjectorCertificateEnds');
    return Number(/< (\d+)$/.exec(rule?.expr ?? '')?.[1]);
  };
  expect(secondsOf({})).toBe(3_600);
  expect(secondsOf({ certificates: { mode: 'cert-manager' } })).toBe(3_600);
  // The injector renews a certificate after two thirds of its lifetime. If the lifetime is ten minutes, the renewal is
  // due 200 s before the expiry.
  expect(secondsOf({ certificates: { self: { servingCertificateLifetimeMs: 600_000 } } })).toBe(100);
});

test('PannierPolicyFileRefused fires for the first rejection, although the increase of a new series is 0', () => {
  const rule = rulesOf({}).find(({ alert }) => alert === 'PannierPolicyFileRefused');
  expect(rule?.expr).toContain('unless pannier_policy_reloads_total{outcome="refused"} offset 15m');
});

test('PannierPolicyFileInvalid fires while a policy file has errors, also if it had them at start', () => {
  const rule = rulesOf({}).find(({ alert }) => alert === 'PannierPolicyFileInvalid');
  expect(rule?.expr).toBe('max by (namespace) (pannier_policy_file_problems) > 0');
  expect(rule?.annotations.summary).toContain('FAILED_PRECONDITION');
});

test('conflicting Redis masters and an unknown format have separate alerts, because the metrics report Redis as up', () => {
  const expressionOf = (alert: string): string | undefined => rulesOf({}).find((rule) => rule.alert === alert)?.expr;
  expect(expressionOf('PannierRedisConflictingMasters')).toContain('(pannier_redis_conflicting_masters) > 0');
  expect(expressionOf('PannierRedisFormatRefused')).toContain('(pannier_redis_format_refused) > 0');
});

test('silent Sentinels have a separate alert, because the metrics report Redis as up until the next failover', () => {
  const rule = rulesOf({}).find(({ alert }) => alert === 'PannierRedisSentinelsSilent');
  expect(rule?.expr).toContain('(pannier_redis_silent_sentinels) > 0');
  expect(rule?.labels).toEqual({ severity: 'warning' });
});

test('commands that Redis rejects have a separate alert, because the metrics report Redis as up and limits fail open', () => {
  const rule = rulesOf({}).find(({ alert }) => alert === 'PannierRedisRefuses');
  expect(rule).toMatchObject({
    expr: 'sum by (namespace, role, code) (pannier_redis_refusals) > 0',
    labels: { severity: 'critical' },
    annotations: { summary: expect.stringContaining('{{ $labels.code }}') },
  });
});

test('evictions of active limits have an alert, because nothing else shows that limits are reset', () => {
  const rule = rulesOf({}).find(({ alert }) => alert === 'PannierLimitsEvicted');
  expect(rule?.expr).toContain('(rate(pannier_memory_store_evictions_total{store="rate_limit"}[5m])) > 0');
});

test('every alert has a severity and a summary that is a sentence', () => {
  for (const { labels, annotations } of rulesOf({})) {
    expect(labels.severity).toMatch(/^(critical|warning)$/);
    expect(annotations.summary).toMatch(/\.$/);
  }
  // In injection mode mutating-policy, no injector runs, so the chart renders no alerts for an injector.
  expect(rulesOf({ injectionMode: 'mutating-policy' }).filter(({ alert }) => alert.includes('Injector'))).toEqual([]);
});

test('the PodMonitor scrapes sidecars of all namespaces at the port that injection adds', () => {
  const monitor = find(render({ podMonitor: { enabled: true } }), 'PodMonitor', 'pannier-sidecars');
  expect(at(monitor, 'spec')).toEqual({
    selector: { matchLabels: { 'pannier.dev/injected': 'true' } },
    namespaceSelector: { any: true },
    podMetricsEndpoints: [{ port: 'pannier-admin', path: '/metrics', interval: '30s' }],
  });
});

test('the ServiceMonitor selects the Service of the injector and has the given labels', () => {
  const manifests = render({ serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '1m' } });
  const monitor = find(manifests, 'ServiceMonitor', 'pannier-injector');
  expect(monitor.metadata.labels).toMatchObject({ release: 'prometheus' });
  const service = find(manifests, 'Service', 'pannier-injector');
  expect(service.metadata.labels).toMatchObject(at(monitor, 'spec.selector.matchLabels') as object);
  expect(at(monitor, 'spec.endpoints')).toEqual([{ port: 'admin', path: '/metrics', interval: '1m' }]);
});

test('NetworkPolicies allow any source for the injector and only injected pods for devRedis', () => {
  const policies = (values: Values): Manifest[] => render(values).filter(({ kind }) => kind === 'NetworkPolicy');
  expect(policies({ devRedis: { enabled: true } })).toEqual([]);
  const on = { networkPolicy: { enabled: true }, devRedis: { enabled: true } };
  const manifests = policies(on);
  expect(at(find(manifests, 'NetworkPolicy', 'pannier-injector'), 'spec')).toMatchObject({
    ingress: [
      {
        ports: [
          { port: 'https', protocol: 'TCP' },
          { port: 'admin', protocol: 'TCP' },
        ],
      },
    ],
    egress: [{}],
  });
  expect(at(find(manifests, 'NetworkPolicy', 'pannier-dev-redis'), 'spec.ingress')).toEqual([
    {
      from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'pannier.dev/injected': 'true' } } }],
      ports: [{ port: 'redis', protocol: 'TCP' }],
    },
  ]);
  const egress = [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }];
  const narrow = policies({ networkPolicy: { enabled: true, egress } });
  expect(at(narrow[0], 'spec.egress')).toEqual(egress);
});
