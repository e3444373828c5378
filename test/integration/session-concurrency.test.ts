/**
 * Runs the concurrency suite on all session stores.
 */
import { sessionStoreConcurrency } from '../support/session/store-concurrency.ts';
import { clusterFixture, memoryFixture, standaloneFixture } from '../support/session/stores.ts';

sessionStoreConcurrency('memory', memoryFixture);
sessionStoreConcurrency('Redis', standaloneFixture);
sessionStoreConcurrency('Redis Cluster', clusterFixture);
