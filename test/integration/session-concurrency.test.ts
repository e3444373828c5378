/**
 * Concurrency suite of the session stores, on all stores.
 */
import { sessionStoreConcurrency } from '../support/session/store-concurrency.ts';
import { clusterFixture, memoryFixture, standaloneFixture } from '../support/session/stores.ts';

sessionStoreConcurrency('memory', memoryFixture);
sessionStoreConcurrency('Redis', standaloneFixture);
sessionStoreConcurrency('Redis Cluster', clusterFixture);
