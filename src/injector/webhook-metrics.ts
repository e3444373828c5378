/**
 * Defines the metrics of the injector, in a separate registry: reviews by webhook and outcome, their duration, and the
 * expiry of the certificate.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export const OUTCOMES = ['injected', 'unchanged', 'refused', 'unreadable', 'overloaded', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface WebhookMetrics {
  review(webhook: string, outcome: Outcome, durationMs: number): void;
  certificateExpires(expiresAtMs: number): void;
  onReadinessScrape(isReady: () => boolean): void;
  text(): Promise<string>;
  readonly contentType: string;
}

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 3];

export function createWebhookMetrics(options: { version: string; webhooks: readonly string[] }): WebhookMetrics {
  const registry = new Registry();
  const registers = [registry];
  const reviews = new Counter({
    name: 'pannier_injector_reviews_total',
    help: 'Admission reviews by webhook and outcome.',
    labelNames: ['webhook', 'outcome'],
    registers,
  });
  // Every series exists from the start, so that `rate` and `increase` count the first event.
  for (const webhook of options.webhooks) {
    for (const outcome of OUTCOMES) {
      reviews.inc({ webhook, outcome }, 0);
    }
  }
  const duration = new Histogram({
    name: 'pannier_injector_review_duration_seconds',
    help: 'Time from the request headers of a review to its response.',
    labelNames: ['webhook'],
    buckets: BUCKETS_S,
    registers,
  });
  const expiry = new Gauge({
    name: 'pannier_injector_certificate_expiry_seconds',
    help: 'Expiry of the served certificate as Unix time in seconds.',
    registers,
  });
  let isReady = (): boolean => false;
  new Gauge({
    name: 'pannier_injector_ready',
    help: '1 if /readyz succeeds, otherwise 0.',
    registers,
    collect() {
      this.set(isReady() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'pannier_injector_build_info',
    help: 'Constant 1, labelled with the version of the program.',
    labelNames: ['version'],
    registers,
  }).set({ version: options.version }, 1);
  return {
    review: (webhook, outcome, durationMs) => {
      reviews.inc({ webhook, outcome });
      duration.observe({ webhook }, durationMs / 1_000);
    },
    certificateExpires: (expiresAtMs) => expiry.set(expiresAtMs / 1_000),
    onReadinessScrape: (callback) => {
      isReady = callback;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
