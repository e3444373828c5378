/**
 * Joins the commands that node-redis writes in one turn of the event loop, because it hands each one to the socket by itself: with 64 calls
 * in flight that was a tenth of the CPU of a decision.
 *
 * Invariants:
 *   1. The bytes and their order are those of node-redis.
 *   2. A command that node-redis has marked as written is in what is returned next: the writer may stop after any return.
 *   3. Buffers are handed on as they are, never copied.
 *
 * This wraps one method of the library; the version is pinned, and a test fails when it changes nothing any more.
 */

/** What one command consists of: text, with a Buffer between two pieces for each argument that is one. */
export type CommandPieces = readonly (string | Buffer)[];

/** Text is handed on at this length, so that the writer notices a full socket in time. */
const MAX_TEXT_LENGTH = 16_384;

export function joinWrites(client: object): void {
  const queue = (client as { _getQueue(): { commandsToWrite(): Iterable<CommandPieces> } })._getQueue();
  const commandsToWrite = queue.commandsToWrite.bind(queue);
  queue.commandsToWrite = () => joinCommands(commandsToWrite());
}

export function* joinCommands(commands: Iterable<CommandPieces>): Generator<CommandPieces, void, unknown> {
  let text = '';
  for (const pieces of commands) {
    const [first] = pieces;
    if (pieces.length === 1 && typeof first === 'string') {
      text += first;
      if (text.length >= MAX_TEXT_LENGTH) {
        yield [text];
        text = '';
      }
    } else {
      yield text === '' ? pieces : [text, ...pieces];
      text = '';
    }
  }
  if (text !== '') {
    yield [text];
  }
}
