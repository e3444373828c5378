/**
 * Parses address maps for tests.
 */
import { parseAddressMap } from '../../../src/config/address-map.ts';
import { type AddressMap, createAddressMap } from '../../../src/redis/address-map.ts';

/** Parses the text of `PANNIER_REDIS_ADDRESS_MAP`. Throws if the text is invalid. */
export function addressMapOf(text: string): AddressMap {
  const parsed = parseAddressMap(text);
  if ('problem' in parsed) {
    throw new Error(`cannot read the address map ${text} of the test:${parsed.problem}`);
  }
  return createAddressMap(parsed.mappings);
}
