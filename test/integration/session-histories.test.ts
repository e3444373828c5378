/**
 * Tests random histories of the session stores: thousands of short histories in the memory store, and hundreds of
 * histories on Redis and on a Cluster.
 */
import { sessionStoreHistories } from '../support/session/store-histories.ts';
import { clusterFixture, memoryFixture, standaloneFixture } from '../support/session/stores.ts';

sessionStoreHistories('memory', memoryFixture, { sequential: 1_000, racing: 2_000 });
sessionStoreHistories('Redis', standaloneFixture, { sequential: 100, racing: 500 });
sessionStoreHistories('Redis Cluster', clusterFixture, { sequential: 50, racing: 500 });
