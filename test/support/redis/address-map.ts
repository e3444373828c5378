/**
 * The address map of a setting's text, for tests.
 */
import { parseAddressMap } from '../../../src/config/address-map.ts';
import { type AddressMap, createAddressMap } from '../../../src/redis/address-map.ts';

/** Throws if the text is not a valid `PANNIER_REDIS_ADDRESS_MAP`. */
export function addressMapOf(text: string): AddressMap {
  const parsed = parseAddressMap(text);
  if ('problem' in parsed) {
    throw new Error(`cannot read the test's own address map ${text}:${parsed.problem}`);
  }
  return createAddressMap(parsed.mappings);
}
