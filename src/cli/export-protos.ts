import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CommandFailed, readArguments, type Surroundings, UsageError } from "./command.ts";
import { contractFiles } from "./contract-files.ts";
import { EXPORT_HELP } from "./help.ts";

const FLAGS = {
  force: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** `export protos DIR`: writes the .proto files that clients in any language are generated from. */
export async function exportProtos(args: readonly string[], { out }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(EXPORT_HELP);
  const [what, directory, ...more] = positionals;
  if (what !== "protos") throw new UsageError("export: name what to export: protos");
  if (!directory || more.length > 0) throw new UsageError("export protos: name one directory");
  try {
    if (!values.force && !(await isEmpty(directory))) {
      throw new CommandFailed(`${directory} holds files already; name another directory, or say --force`);
    }
    const files = await contractFiles();
    for (const [name, text] of files) await write(join(directory, name), text);
    out(`${files.size} files written to ${directory}\n\n${hint(directory)}`);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}

async function isEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return true;
    throw error;
  }
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

// Of the imports only buf/validate is generated: protobuf and gRPC bring the others to every language.
function hint(directory: string): string {
  const dir = /^[\w./-]+$/.test(directory) ? directory : `'${directory.replaceAll("'", "'\\''")}'`;
  return `Generate from them, for example in Python:
  mkdir -p out && python -m grpc_tools.protoc -I ${dir} --python_out=out --grpc_python_out=out \\
    $(cd ${dir} && find centralhub buf -name '*.proto')
or with buf, from a directory with a buf.gen.yaml:
  buf generate ${dir} --path ${dir}/centralhub --path ${dir}/buf
`;
}
