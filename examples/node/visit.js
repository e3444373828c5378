/**
 * Calls the shop as the user ada, and prints the status, the replica and the remaining calls of each response.
 * `node visit.js http://127.0.0.1:8080 7` makes seven calls.
 */
const [base = 'http://127.0.0.1:8080', calls = '7'] = process.argv.slice(2);

for (let call = 1; call <= Number(calls); call += 1) {
  // Without this header, all calls would use one connection, and so reach the same replica.
  const response = await fetch(`${base}/hello?user=ada`, { headers: { connection: 'close' } });
  const { remaining = 0 } = await response.json();
  process.stdout.write(`${response.status} from ${response.headers.get('x-replica')}, ${remaining} remaining\n`);
}
