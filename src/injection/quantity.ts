/**
 * Parses the Kubernetes quantities that specify the resources of a sidecar, such as `100m`, `0.5`, `96Mi` and `1G`.
 */

const MULTIPLIERS: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/**
 * Returns the number of cores or bytes. Returns undefined for invalid texts and for suffixes that no sidecar needs (Ti
 * and above, n, u, exponents).
 */
export function parseQuantity(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|Ki|Mi|Gi)?$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (MULTIPLIERS[match[2] ?? ''] ?? Number.NaN);
}

/** Accepts 0.001 to 64 cores. Rejects suffixes that multiply, such as `k` and `Gi`. */
export function isCpuQuantity(text: string): boolean {
  const cores = /[kMGi]/.test(text) ? undefined : parseQuantity(text);
  return cores !== undefined && cores >= 0.001 && cores <= 64;
}

export const MEBIBYTE = 1_048_576;
/** Minimum memory limit. An idle sidecar uses 60 to 90 MiB. */
export const MIN_MEMORY_MEBIBYTES = 96;

export function isMemoryRequest(text: string): boolean {
  const memoryBytes = memoryBytesOf(text);
  return memoryBytes !== undefined && memoryBytes >= MEBIBYTE && memoryBytes <= 65_536 * MEBIBYTE;
}

export function isMemoryLimit(text: string): boolean {
  const memoryBytes = memoryBytesOf(text);
  return isMemoryRequest(text) && (memoryBytes ?? 0) >= MIN_MEMORY_MEBIBYTES * MEBIBYTE;
}

/** Rejects the suffix `m`: Kubernetes allows thousandths of a byte, but such a value is always a typing error. */
function memoryBytesOf(text: string): number | undefined {
  return text.endsWith('m') ? undefined : parseQuantity(text);
}
