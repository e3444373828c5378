/**
 * Runs the contract suite of the session stores on a real Redis and on a real Cluster.
 */
import { sessionStoreContract } from '../support/session/store-contract.ts';
import { clusterFixture, standaloneFixture } from '../support/session/stores.ts';

sessionStoreContract('Redis', standaloneFixture);
sessionStoreContract('Redis Cluster', clusterFixture);
