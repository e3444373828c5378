/**
 * Runs the suite for the limit of live sessions per user on memory, one Redis and a Cluster. Redis and the Cluster
 * serve two sidecars.
 */
import { clusterFixture, memoryFixture, standaloneFixture } from '../support/session/stores.ts';
import { sessionUserLimit } from '../support/session/user-limit.ts';

sessionUserLimit('memory', memoryFixture);
sessionUserLimit('Redis', standaloneFixture);
sessionUserLimit('Redis Cluster', clusterFixture);
