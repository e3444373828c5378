/**
 * Runs the contract suite of the session stores on the memory store.
 */
import { sessionStoreContract } from '../support/session/store-contract.ts';
import { memoryFixture } from '../support/session/stores.ts';

sessionStoreContract('memory', memoryFixture);
