/**
 * Alerts, scraping and network: what the chart asks of a Prometheus operator and of the network exists in the program.
 */

import { createWebhookMetrics, OUTCOMES } from '../../src/kubernetes/webhook/webhook-metrics.ts';
import { metricsMarkdown } from '../../src/observability/metric-table.ts';
import { at, find, type Manifest, render, type Values } from '../support/helm.ts';

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

test('alerts ask for metrics that injector and sidecar have', async () => {
  const injector = await createWebhookMetrics({ version: '0', webhooks: ['/mutate-pod'] }).text();
  const known = `${injector}\n${metricsMarkdown()}`;
  const rules = rulesOf({});
  expect(rules.map((rule) => rule.alert)).toHaveLength(6);
  for (const { alert, expr } of rules) {
    for (const [metric] of expr.matchAll(/\bpannier_\w+/g)) {
      expect({ alert, metric, isKnown: new RegExp(`\\b${metric}\\b`).test(known) }).toEqual({
        alert,
        metric,
        isKnown: true,
      });
    }
  }
  const outcomes = rules.flatMap(({ expr }) => [...expr.matchAll(/pannier_injector_\w+\{[^}]*outcome="(\w+)"/g)]);
  expect(outcomes.length).toBeGreaterThan(0);
  for (const [, outcome] of outcomes) {
    expect(OUTCOMES).toContain(outcome);
  }
});

test('alerts say how bad it is and what it means', () => {
  for (const { labels, annotations } of rulesOf({})) {
    expect(labels.severity).toMatch(/^(critical|warning)$/);
    expect(annotations.summary).toMatch(/\.$/);
  }
  // No injector, no alerts about it.
  expect(rulesOf({ policy: 'mutating' }).filter(({ alert }) => alert.includes('Injector'))).toEqual([]);
});

test('sidecars of all namespaces are scraped at the port that injection gives them', () => {
  const monitor = find(render({ podMonitor: { enabled: true } }), 'PodMonitor', 'pannier-sidecars');
  expect(at(monitor, 'spec')).toEqual({
    selector: { matchLabels: { 'pannier.dev/injected': 'true' } },
    namespaceSelector: { any: true },
    podMetricsEndpoints: [{ port: 'pannier-admin', path: '/metrics', interval: '30s' }],
  });
});

test('a ServiceMonitor chooses the Service of the injector, with labels of yours', () => {
  const manifests = render({ serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '1m' } });
  const monitor = find(manifests, 'ServiceMonitor', 'pannier-injector');
  expect(monitor.metadata.labels).toMatchObject({ release: 'prometheus' });
  const service = find(manifests, 'Service', 'pannier-injector');
  expect(service.metadata.labels).toMatchObject(at(monitor, 'spec.selector.matchLabels') as object);
  expect(at(monitor, 'spec.endpoints')).toEqual([{ port: 'admin', path: '/metrics', interval: '1m' }]);
});

test('NetworkPolicies let the API server in from anywhere, and to the dev Redis injected pods alone', () => {
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
