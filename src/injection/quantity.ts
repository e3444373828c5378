/**
 * Parses the Kubernetes quantities that specify resources, such as `100m`, `0.5`, `96Mi` and `1G`.
 *
 * Invariants:
 *   1. `parseQuantity` reads every form that Kubernetes accepts, because users write the resources of a pod.
 *   2. Different notations of a decimal quantity, such as `700m` and `0.7`, yield the same number.
 *   3. The values of annotations and of the configuration use fewer forms: no sign, no exponent and no rare suffix.
 */

/** Powers of ten. They become part of the number that JavaScript parses, because a product such as 700 * 0.001 is inexact. */
const DECIMAL_EXPONENTS: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const BINARY_MULTIPLIERS: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^([+-]?(?:\d{1,64}\.?\d{0,64}|\.\d{1,64}))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;

/** Returns the number of cores or bytes, or undefined if the text is not a quantity. */
export function parseQuantity(text: string): number | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, digits, suffix = '', exponent = DECIMAL_EXPONENTS[suffix] ?? 0] = match;
  return Number(`${digits}e${exponent}`) * (BINARY_MULTIPLIERS[suffix] ?? 1);
}

/** Accepts 0.001 to 64 cores. Rejects suffixes that multiply, such as `k` and `Gi`. */
export function isCpuQuantity(text: string): boolean {
  const cores = /^\d{1,15}(\.\d{1,9})?m?$/.test(text) ? parseQuantity(text) : undefined;
  return cores !== undefined && cores >= 0.001 && cores <= 64;
}

export const MEBIBYTE = 1_048_576;
/** Minimum memory limit. An idle sidecar uses 60 to 90 MiB. */
export const MIN_MEMORY_MEBIBYTES = 96;
const MAX_MEMORY_MEBIBYTES = 65_536;
const MAX_STORAGE_MEBIBYTES = 16_777_216;

export function isMemoryRequest(text: string): boolean {
  const bytes = bytesOf(text);
  return bytes !== undefined && bytes >= MEBIBYTE && bytes <= MAX_MEMORY_MEBIBYTES * MEBIBYTE;
}

export function isMemoryLimit(text: string): boolean {
  return isMemoryRequest(text) && (bytesOf(text) ?? 0) >= MIN_MEMORY_MEBIBYTES * MEBIBYTE;
}

/** Accepts 1Mi to 16Ti. */
export function isStorageQuantity(text: string): boolean {
  const bytes = bytesOf(text);
  return bytes !== undefined && bytes >= MEBIBYTE && bytes <= MAX_STORAGE_MEBIBYTES * MEBIBYTE;
}

/** Rejects the suffix `m`: Kubernetes allows thousandths of a byte, but such a value is always a typing error. */
function bytesOf(text: string): number | undefined {
  return /^\d{1,15}(\.\d{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?$/.test(text) ? parseQuantity(text) : undefined;
}
