/** Exit codes of every command. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** What `central-hub --help` prints. */
export const HELP = `usage: central-hub <command>

  serve [--host H] [--port P] [--config-dir DIR] …   serve the documents
  validate [DIR]                                     check documents, for your own CI
`;

/** Runs a command that is a client of the API; returns its exit code. */
export async function runCommand(
  argv: readonly string[],
  _context: { env: Readonly<Record<string, string | undefined>> },
): Promise<number> {
  process.stdout.write(HELP);
  return argv.length === 0 ? EXIT.usage : EXIT.ok;
}
