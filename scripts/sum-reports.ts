/**
 * Adds up the test reports of the suites: `node scripts/sum-reports.ts DIRECTORY FAILED_STEPS`.
 *
 * 1. The script prints the name of each failed test. The last line of the output is `N passed, N failed`.
 * 2. If more steps than tests failed, for example because a suite crashed, the last line contains the number of failed
 *    steps.
 * 3. The exit code is 1 if a test or step failed, or if no test passed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface AssertionResult {
  fullName: string;
  status: string;
}

interface SuiteResult {
  name: string;
  message: string;
  status: string;
  assertionResults: AssertionResult[];
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: SuiteResult[];
}

const [directory = '.', failedStepsText = '0'] = process.argv.slice(2);
let passed = 0;
let failed = 0;

for (const name of readdirSync(directory)) {
  const report = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Report;
  passed += report.numPassedTests;
  failed += report.numFailedTests + report.numPendingTests;
  for (const suite of report.testResults) {
    for (const test of suite.assertionResults.filter((result) => result.status !== 'passed')) {
      process.stdout.write(`${test.status}: ${test.fullName}\n`);
    }
    if (suite.status === 'failed' && suite.assertionResults.length === 0) {
      failed += 1;
      process.stdout.write(`failed to run: ${suite.name}\n`);
    }
  }
}

const failedSteps = Number(failedStepsText);
if (failed < failedSteps) {
  failed = failedSteps;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
