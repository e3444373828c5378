/**
 * Runs the suite for the limit of live sessions per user with the memory store, on one Redis and on a Cluster. On Redis
 * and on the Cluster, two sidecars share the sessions.
 */
import { clusterFixture, memoryFixture, standaloneFixture } from '../support/session/stores.ts';
import { sessionUserLimit } from '../support/session/user-limit.ts';

sessionUserLimit('memory', memoryFixture);
sessionUserLimit('Redis', standaloneFixture);
sessionUserLimit('Redis Cluster', clusterFixture);
